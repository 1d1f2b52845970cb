"""Widgets: they show what they are given and never know a screen."""
