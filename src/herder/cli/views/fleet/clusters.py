"""Tables and details of clusters, their nodes and their checks."""

from herder.cli.output.columns import field, made, words
from herder.cli.output.humanize import age
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.wire.api.clusters import ClusterView


def _yes(flag: bool | None) -> str:
    return "unknown" if flag is None else "yes" if flag else "no"


CLUSTERS = View(
    noun="cluster",
    name=lambda cluster: str(cluster.name),
    columns=(
        field("NAME", "name"),
        field("STATUS", "state", state=True),
        field("VERSION", "version", drop=4),
        made("NODES", lambda cluster: f"{cluster.ready_nodes}/{cluster.nodes}", key="nodes_ready"),
        field("WORKERS", "workers", right=True),
        field("PENDING PODS", "pending_pods", right=True),
        made("NOT CONSIDERED", lambda cluster: str(len(cluster.not_considered)), key="left_out", drop=3),
        made("POOLS", lambda cluster: ",".join(cluster.pools) or "-", key="pool_names", drop=2),
    ),
    empty="No clusters. Define one under clusters in the server's herder.yaml.",
)

NODES = View(
    noun="node",
    name=lambda node: str(node.node or node.worker),
    columns=(
        made("NODE", lambda node: node.node or "-", key="node_name"),
        field("WORKER", "worker"),
        field("POOL", "pool"),
        field("STATE", "state", state=True),
        words("READY", "ready", _yes),
        words("CORDONED", "cordoned", _yes),
        field("PODS", "pods", right=True),
        field("REASON", "reason", wide=True, wrap=True),
    ),
    empty="No workers.",
)

CHECKS = View(
    noun="check",
    name=lambda check: str(check.name),
    columns=(
        field("CHECK", "name"),
        words("PASSED", "passed", _yes),
        field("DETAIL", "detail", wrap=True),
        field("REMEDY", "remedy", wrap=True),
    ),
    empty="No checks.",
)


def details(cluster: ClusterView, now_s: float) -> Details:
    rows = [
        ("Name", cluster.name),
        ("Status", cluster.state),
        ("Reason", cluster.reason or "-"),
        ("Seen", f"{age(cluster.as_of, now_s)} ago" if cluster.as_of else "never"),
        ("Version", cluster.version or "-"),
        ("Nodes", f"{cluster.ready_nodes} of {cluster.nodes} ready"),
        ("Pools", ", ".join(cluster.pools) or "-"),
        ("Pending pods", str(cluster.pending_pods)),
        *(("Pending", text) for text in cluster.pending),
        *(("Blocked drain", text) for text in cluster.blocked_drains),
        *(("Not considered", text) for text in cluster.not_considered),
        *(("Problem", text) for text in cluster.problems),
    ]
    workers = cluster.worker_nodes
    return Details(rows=rows, tables=[("Workers", NODES, workers)] if workers else [])
