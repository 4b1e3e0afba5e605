"""Herder and other job systems measured in one run, in turn, on the same work. What stays are the ratios."""
