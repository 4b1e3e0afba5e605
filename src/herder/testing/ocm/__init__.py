"""OpenShift Cluster Manager in a process, for tests: single sign-on, clusters, machine pools and node pools whose nodes come and end with time.

`PlayedOcm` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Every request and every answer is checked against Red
Hat's own description of the API, and what it does not have is refused; the rules that only OCM's back end knows are in `refusals`.
"""

from herder.testing.ocm.cloud import PlayedOcm
from herder.testing.ocm.settings import CLASSIC, CLIENT, HCP, MULTI_AZ, OFFLINE_TOKEN, SECRET, OcmTimes
from herder.testing.ocm.state import Pool, State

__all__ = [
    "CLASSIC",
    "CLIENT",
    "HCP",
    "MULTI_AZ",
    "OFFLINE_TOKEN",
    "SECRET",
    "OcmTimes",
    "PlayedOcm",
    "Pool",
    "State",
]
