"""Bodies of the REST API by noun."""
