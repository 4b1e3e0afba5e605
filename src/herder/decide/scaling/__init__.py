"""How many workers each pool should have: triggers ask, limits bind, combine settles, scale_down releases."""
