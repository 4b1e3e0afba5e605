"""How much each measurement does: fixed, so that two runs of the bench can be compared. Read by the measurements."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    runs: int = 5
    """The figure is the median of so many, after one that does not count."""
    agents: int = 2
    bulk_jobs: int = 100_000
    bulk_clients: int = 2
    """Connections that submit at a time: while one call is written, the next is read."""
    bulk_per_call: int = 10_000
    """What the server takes in one call at most."""
    single_clients: int = 32
    single_jobs: int = 9_600
    noop_jobs: int = 30_000
    graph_jobs: int = 100_000
    users: int = 20
    users_jobs: int = 100_000
    process_jobs: int = 1_500
    python_calls: int = 200
    client_jobs: int = 1_000_000
    latency_jobs: int = 1_000
    long_queue: int = 1_000_000
    short_queue: int = 10
    idle_workers: int = 1_000
    idle_watch_s: float = 20.0
    """How long the idle workers are watched: two beats of the protocol."""
    replay_days: float = 1.0
    """Of a month with a million job events."""
    decision_seeds: int = 4
    pack_items: int = 5_000
    pack_large: int = 100_000
    share_users: int = 10_000
    pending_jobs: int = 100_000
    pending_users: int = 500
    pending_workers: int = 1_000
    retention_jobs: int = 100_000
    """The store after ten times as many is compared with that after these."""
    usage_events: int = 100_000
    ledger_events: int = 1_000_000
    focus_lines: int = 1_000_000
    budget_decisions: int = 50_000
    cluster_nodes: int = 10_000
    cluster_pods: int = 100_000
    cluster_changes_per_s: int = 200
    cluster_watch_s: float = 30.0
    data_mib: int = 2_048
    container_jobs: int = 40


FULL = Sizes()
#: A look that takes about a minute; its figures are rough.
QUICK = Sizes(
    runs=3,
    bulk_jobs=40_000,
    single_jobs=3_200,
    noop_jobs=10_000,
    graph_jobs=10_000,
    users_jobs=20_000,
    process_jobs=400,
    python_calls=50,
    client_jobs=100_000,
    latency_jobs=200,
    long_queue=100_000,
    idle_workers=200,
    idle_watch_s=10.0,
    replay_days=0.2,
    decision_seeds=1,
    retention_jobs=10_000,
    usage_events=20_000,
    ledger_events=100_000,
    focus_lines=100_000,
    budget_decisions=10_000,
    cluster_nodes=1_000,
    cluster_pods=10_000,
    cluster_watch_s=10.0,
    data_mib=256,
    container_jobs=10,
)
