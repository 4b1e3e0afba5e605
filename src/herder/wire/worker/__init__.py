"""The worker protocol: activation, the exchange call, reports."""
