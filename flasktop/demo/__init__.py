"""``flasktop demo``: a small real shop with every classic fault, its traffic, and flasktop looking at it."""
