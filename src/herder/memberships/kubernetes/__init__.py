"""A worker is a node of a Kubernetes cluster: the cluster says that it lives, and pods are its work.

Settings are read with this module, so what needs an HTTP client is imported when a cluster is opened.
"""

from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.membership import LivesBy, Membership
from herder.ports.cluster import Cluster, ClusterContext

MEMBERSHIP = Membership(name="kubernetes", takes_pods=True, lives_by=LivesBy.NODE, reports_use=True)


def make_cluster(settings: ClusterSettings, context: ClusterContext, /) -> Cluster:
    """Raises ClusterError when the settings cannot be used."""
    from herder.memberships.kubernetes.opening import open_cluster

    return open_cluster(settings, context)


def manifests(settings: ClusterSettings, /) -> str:
    from herder.memberships.kubernetes.access.manifest_text import manifests as written

    return written(settings)
