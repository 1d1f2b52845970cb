"""Screens: the main one with its panels, waiting, picker, help and small dialogs."""
