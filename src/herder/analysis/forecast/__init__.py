"""Forecasts: simple models, judged by what they would have said before, and averaged."""
