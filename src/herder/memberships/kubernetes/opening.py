"""Makes the connection to a Kubernetes cluster from its settings. Called by `make_cluster`; it reads files and makes no call."""

import os

from herder.memberships.kubernetes.cluster import KubernetesCluster
from herder.memberships.kubernetes.prometheus_use import PrometheusUse
from herder.model.fleet.cluster import ClusterSettings
from herder.ports.cluster import ClusterContext
from herder.remote.kubernetes.access import access_of
from herder.remote.kubernetes.connection import Connection


def open_cluster(settings: ClusterSettings, context: ClusterContext) -> KubernetesCluster:
    """Raises ClusterError when the settings cannot be used."""
    access = access_of(settings, context.clock, os.environ)
    connection = Connection(settings.name, access, transport=context.transport)
    use = None if settings.prometheus is None else PrometheusUse(settings, transport=context.transport)
    return KubernetesCluster(settings.name, connection, context, namespaces=settings.namespaces, use=use)
