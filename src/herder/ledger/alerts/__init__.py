"""Alerts: thresholds of what is used, each raised once, told to people until one of them has acknowledged it."""
