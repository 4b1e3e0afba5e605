"""Which offer a new worker is made from: back-off after failures, zones, the full specification.

Asked by triggers and limits. It must never decide how many.
"""
