"""OpenShift Cluster Manager (OCM), Red Hat's API for ROSA: clusters, machine pools (classic) and node pools (hosted control planes), and the rules
that they must keep. Used by drivers; the rules are pure.
"""
