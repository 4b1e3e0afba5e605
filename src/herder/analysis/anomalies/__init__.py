"""Anomalies of a series: a score for each point, from what came before it alone."""
