"""The heap of this worker, weighed in a forked copy of it, so that the app stands still for the fork alone.

``session`` is the worker's end, ``fork`` how the copy is made, ``child`` its life, ``weigh`` and ``paths`` what guppy3
does in it, ``headroom`` and ``support`` whether it may be made at all.
"""
