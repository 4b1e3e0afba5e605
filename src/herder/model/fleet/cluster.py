"""How a cluster is reached, as herder.yaml says it (`clusters:`). Data only: no secret is in it, only where one is found.

Read by `settings/sections/clusters.py`, handed to the membership that makes the connection (`ports/cluster.py`).
"""

from dataclasses import dataclass

#: Labels that say of a node which worker of which installation and pool it is.
WORKER_LABEL = "herder.dev/worker"
INSTALLATION_LABEL = "herder.dev/installation"
POOL_LABEL = "herder.dev/pool"
#: How old a picture may be. A quiet watch says something once a minute, and its silence is noticed after 150 s.
STALE_AFTER_S = 180.0
#: What node-exporter measures, one series of a node: cores in use, and bytes that cannot be had. `max`: a machine that is scraped
#: twice is not counted twice.
PROMETHEUS_CPU_QUERY = (
    "sum by (node, instance) (max by (node, instance, cpu, mode) "
    '(rate(node_cpu_seconds_total{mode!="idle",mode!="iowait",mode!="steal"}[3m])))'
)
PROMETHEUS_MEMORY_QUERY = (
    "max by (node, instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """By a kubeconfig, or by an address with a token, or by the service account of the pod that the server runs in (neither)."""

    name: str
    membership: str = "kubernetes"
    """What its nodes join: the module of this name makes the connection."""
    kubeconfig: str | None = None
    context: str | None = None
    """Of the kubeconfig; None: its current one."""
    api: str | None = None
    """The address of the API server."""
    ca_file: str | None = None
    token_file: str | None = None
    """Read again whenever it has changed."""
    token_env: str | None = None
    namespaces: tuple[str, ...] = ()
    """Whose pending pods are demand; none: of all."""
    stale_after_s: float = STALE_AFTER_S
    """An older picture decides nothing."""
    prometheus: str | None = None
    """The address of what measures the use of nodes; None: the cluster's metrics API does."""
    prometheus_token_file: str | None = None
    prometheus_token_env: str | None = None
    prometheus_cpu_query: str | None = None
    """Cores in use, a series of each node; None: `PROMETHEUS_CPU_QUERY`."""
    prometheus_memory_query: str | None = None
    """Bytes in use; None: `PROMETHEUS_MEMORY_QUERY`."""
