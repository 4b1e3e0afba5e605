"""The offer from which a new worker is created: back-off after failures, zones, the full specification.

Asked by triggers and limits. It must never decide how many.
"""
