"""A Kubernetes API server in a process, with controllers, a scheduler and played kubelets, for tests.

It answers as Kubernetes 1.36 does, as far as Herder uses it. `Cluster` is the server without a network, on a time that is given;
`server` gives it an address on this machine. `python -m herder.testing.kubernetes` runs it as a process.
"""

from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.kubernetes.cluster import Away, Cluster
from herder.testing.kubernetes.faults import Faults, Rule
from herder.testing.kubernetes.settings import ADMIN_TOKEN, ClusterSettings

__all__ = ["ADMIN_TOKEN", "Answer", "Away", "Cluster", "ClusterSettings", "Faults", "Request", "Rule"]
