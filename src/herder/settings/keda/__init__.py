"""Writes manifests of KEDA from pools that only have a size. Called by `herder pool scaled-objects`; changes nothing."""
