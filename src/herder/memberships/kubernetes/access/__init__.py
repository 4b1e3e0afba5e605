"""What Herder may do in a cluster: rights, manifests, the check."""
