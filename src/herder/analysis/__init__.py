"""What a series of measurements says about its future and about itself: forecasts with intervals, and anomalies.

Pure, of the standard library. Called by `herder cost forecast` and `herder cost anomalies`; no amount of the ledger is computed here,
and floats are allowed for that reason.
"""
