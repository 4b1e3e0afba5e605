"""Workers that are nodes of a cluster."""
