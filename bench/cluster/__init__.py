"""A Kubernetes API server in a process of its own, filled and changed, and a client of it in another. Used by `measurements/cluster`."""
