"""A client of the Kubernetes API: connection, credentials, errors and an informer. Used by `memberships/kubernetes`."""
