"""The catalogue of metrics at `/metrics`: each with its kind, its labels, and what bounds their number.

Named by `control/reads/metrics/`, which fills them in, by the rules and dashboards, and by the reference page, which is made from it. A family
that is not listed here is not exported. It must never read the state of a server.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`name`: as Prometheus stores it, with `_total` for counters and without `_bucket` for histograms."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Families that are shown together."""

    title: str
    text: str
    families: tuple[Family, ...]


#: Names of users and projects at most, in labels; the use of all others is added up as `OTHERS`.
ACCOUNTS_MAX = 1_000
OTHERS = "(others)"

#: From commits and plans of a millisecond to those that block a server.
SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: From local processes to virtual machines that take a quarter of an hour.
BOOT_S = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 750.0, 1200.0)
#: From jobs of a second to those of a day.
LONG_S = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, text=text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, text=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family:
    return Family(name=name, kind=Kind.HISTOGRAM, text=text, labels=labels, buckets=buckets)


_DOCUMENTED = Section(
    title="Documented names",
    text="The names of the documents that Herder follows, with their units.",
    families=(
        _gauge("worker_pool_size", "Workers of all pools: active (ready or unhealthy) and pending.", "type"),
        _gauge("job_queue_length", "Jobs that may start and wait for a worker."),
        _gauge("job_processing_rate", "Jobs that ended in the last minute, in jobs per minute."),
        _gauge(
            "worker_cpu_utilization", "CPU that all workers use, in percent of their CPU; absent: not known."
        ),
        _gauge("worker_memory_utilization", "The same of memory, in percent; absent: not known."),
        _gauge(
            "worker_provision_start_time",
            "When the oldest creation under way began, in seconds since 1970; absent: none is under way.",
            "pool",
        ),
        _gauge("herder_workers_past_ttl", "Live workers past their ttl."),
    ),
)
_SERVER = Section(
    title="The server",
    text="The process, its store, its planner and its HTTP front. `process_*` are those of the Prometheus client, on Linux.",
    families=(
        _gauge("herder_leader", "1 if this server leads."),
        _gauge("herder_started_timestamp_seconds", "When this server began to lead, in seconds since 1970."),
        _gauge("herder_build_info", "1; the version of the server is a label.", "version"),
        _gauge("herder_store_trouble", "1 if the store does not take in new work."),
        _counter("herder_store_commits_total", "Transactions written."),
        _counter("herder_store_rows_total", "Rows written."),
        _histogram("herder_commit_seconds", "From the hand-over of changes to their commit.", SHORT_S),
        _histogram("herder_plan_seconds", "Plans of the scale loop, from the snapshot to the plan.", SHORT_S),
        _gauge(
            "herder_last_plan_timestamp_seconds",
            "When the last plan was made, in seconds since 1970; absent: none was.",
        ),
        _counter(
            "herder_trigger_failures_total",
            "Plans in which a trigger or a planning step failed.",
            "pool",
            "trigger",
        ),
        _histogram(
            "herder_http_request_seconds",
            "Calls to their first byte. Long polls (worker, jobs, events) wait on purpose.",
            SHORT_S,
            "area",
            "method",
            "status",
        ),
        _counter("herder_traces_exported_total", "Traces of jobs that the collector has."),
        _counter(
            "herder_traces_dropped_total",
            "Traces of jobs that were dropped: the queue was full, or the collector refused them.",
        ),
        _counter("herder_events_total", "Recorded events since the server started.", "kind"),
        _gauge("herder_alerts", "Active alerts of costs and capacity.", "policy", "level"),
        _gauge("herder_driver_calls", "Calls to providers that have not returned.", "driver", "state"),
        _gauge("herder_driver_usable", "1 if the driver may be called and answers.", "driver"),
        _gauge("herder_cluster_fresh", "1 if what is known of the cluster is up to date.", "cluster"),
        _gauge("herder_pending_pods", "Pods that wait for a node and count as demand.", "cluster"),
    ),
)
_POOLS = Section(
    title="Pools and workers",
    text="`pool` has the pools that exist.",
    families=(
        _gauge("herder_workers", "Live workers by pool and state.", "pool", "state"),
        _gauge("herder_pool_min_workers", "The setting min_workers.", "pool"),
        _gauge("herder_pool_max_workers", "The setting max_workers.", "pool"),
        _gauge("herder_pool_frozen", "1 if the pool is frozen.", "pool"),
        _gauge(
            "herder_pool_capacity",
            "What the ready workers have: cores, bytes, or units of the resource.",
            "pool",
            "resource",
        ),
        _gauge("herder_pool_allocated", "Of it, what running work has requested.", "pool", "resource"),
        _gauge(
            "herder_pool_utilization",
            "Measured use as a part of capacity, 0 to 1, of ready workers with a fresh sample; absent: none has one.",
            "pool",
            "resource",
        ),
        _gauge("herder_workers_idle", "Ready workers without work.", "pool"),
        _gauge("herder_workers_cordoned", "Workers that take no new work by order.", "pool"),
        _gauge("herder_workers_sick", "Workers with a condition.", "pool", "condition"),
        _gauge("herder_workers_creating", "Workers that are not ready, by step.", "driver", "step"),
        _counter("herder_creation_failures_total", "Creations that failed.", "pool", "cause", "step"),
        _gauge("herder_creation_failures_in_row", "Creations that failed since the last success.", "pool"),
        _histogram("herder_worker_start_seconds", "Workers from their request to ready.", BOOT_S, "pool"),
        _counter(
            "herder_scaling_events_total", "Workers requested (up) and drained (down).", "pool", "direction"
        ),
        _counter(
            "herder_interruptions_total", "Notices that a provider takes a machine back.", "pool", "source"
        ),
        _counter(
            "herder_worker_repairs_total",
            "Rungs of the repair ladder, by what became of them.",
            "pool",
            "condition",
            "rung",
            "outcome",
        ),
        _counter("herder_repair_failures_total", "Rungs of the repair ladder that failed.", "pool"),
        _gauge(
            "herder_workers_escalated",
            "Workers whose repair has ended and whose condition still holds.",
            "pool",
        ),
        _gauge("herder_workers_quarantined", "Sick workers that are kept for inspection.", "pool"),
        _gauge(
            "herder_drains_blocked",
            "Drains and repairs that wait for attempts beyond their deadline.",
            "pool",
        ),
        _gauge("herder_workers_under_repair", "Workers that the breaker counts.", "pool"),
        _gauge(
            "herder_repair_breaker_open",
            "1 if as many workers are under repair as repair_breaker allows.",
            "pool",
        ),
    ),
)
_JOBS = Section(
    title="Jobs",
    text="",
    families=(
        _gauge("herder_jobs", "Jobs by state.", "state"),
        _counter("herder_jobs_ended_total", "Jobs that ended since the server started, by state.", "state"),
        _gauge("herder_oldest_job_seconds", "How long the oldest job that may start has waited."),
        _histogram(
            "herder_job_wait_seconds", "Jobs from ready to the assignment of their first attempt.", LONG_S
        ),
        _histogram("herder_attempt_seconds", "Attempts from their start to their end.", LONG_S, "state"),
        _counter("herder_attempts_total", "Ended attempts.", "user", "project", "pool"),
        _counter("herder_attempts_cost_usd_total", "Cost of the ended attempts.", "user", "project", "pool"),
    ),
)
_COSTS = Section(
    title="Costs",
    text="In US dollars. For figures that must be exact use `herder cost` and the ledger.",
    families=(
        _gauge("herder_live_workers_cost_usd", "Cost of the live workers so far.", "pool"),
        _gauge("herder_cost_usd_per_hour", "What the live workers cost in an hour.", "pool"),
        _counter(
            "herder_pool_cost_usd_total", "Cost of all machines of the pool, live ones included.", "pool"
        ),
        _gauge(
            "herder_budget_limit",
            "What may be spent in the period, with what was moved, in dollars or tokens.",
            "budget",
            "unit",
        ),
        _gauge(
            "herder_budget_spent", "What was settled in the period, in dollars or tokens.", "budget", "unit"
        ),
        _gauge("herder_budget_reserved", "What leases reserve, in dollars or tokens.", "budget", "unit"),
        _gauge(
            "herder_budget_left",
            "Limit and allowed overage without spent and reserved, in dollars or tokens.",
            "budget",
            "unit",
        ),
    ),
)

SECTIONS = (_DOCUMENTED, _SERVER, _POOLS, _JOBS, _COSTS)
FAMILIES = {family.name: family for section in SECTIONS for family in section.families}

#: What bounds the number of values of each label.
BOUNDS = {
    "area": "a fixed list: the first word of a path of the API, or what else is served",
    "budget": "the budgets that exist",
    "cause": "a fixed list",
    "cluster": "the clusters of herder.yaml",
    "condition": "a fixed list",
    "direction": "up, down",
    "driver": "the drivers of herder.yaml",
    "kind": "a fixed list",
    "level": "info, warning, critical, emergency",
    "method": "GET, POST, PUT, DELETE and two others",
    "outcome": "a fixed list",
    "policy": "a fixed list",
    "pool": "the pools that exist",
    "project": f"{ACCOUNTS_MAX:,} of user, project and pool together; the others are added up as {OTHERS}",
    "resource": "cpu, memory, disk, gpu, and what herder.yaml declares",
    "rung": "a fixed list",
    "source": "agent, driver, and others of a fixed list",
    "state": "a fixed list",
    "status": "2xx, 3xx, 4xx, 5xx",
    "step": "a fixed list",
    "trigger": "a fixed list",
    "type": "active, pending",
    "unit": "usd, tokens",
    "user": "as project",
    "version": "one",
}


def reference() -> str:
    """docs/reference/metrics.md"""
    lines = [
        "# Metrics",
        "",
        "The server answers `GET /metrics` in Prometheus' text format, computed from its memory at each call. A token of the role viewer is needed for metrics of the",
        "fleet, and one of the role operator for those of each user and project ([give access](../how-to/give-access.md)). Counters begin at 0 with the server, but for",
        "those of attempts and costs, which count since the installation began. Of several servers the leader has the metrics of the fleet; the others have `herder_leader 0`.",
        "",
        "Rules, dashboards and an example of a scrape configuration: [observe with Prometheus and Grafana](../how-to/observe.md).",
    ]
    for section in SECTIONS:
        lines += ["", f"## {section.title}", ""]
        lines += [section.text, ""] if section.text else []
        lines += ["| metric | kind | meaning |", "|---|---|---|"]
        for each in section.families:
            labels = "{" + ",".join(each.labels) + "}" if each.labels else ""
            lines.append(f"| `{each.name}{labels}` | {each.kind} | {each.text} |")
    lines += ["", "## Labels", "", "The number of series is bounded.", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {bound} |" for label, bound in BOUNDS.items()]
    return "\n".join(lines) + "\n"
