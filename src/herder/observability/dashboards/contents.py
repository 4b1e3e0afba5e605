"""What each dashboard shows: rows of panels with their queries. `$pool` is the choice of the viewer."""

from herder.observability.dashboards.panels import Panel, Rows

_P = '{pool=~"$pool"}'


def _rate(name: str, by: str, labels: str = "") -> str:
    inside = f'{{pool=~"$pool"{labels}}}'
    return f"sum by ({by}) (rate({name}{inside}[$__rate_interval]))"


def _quantile(part: float, name: str, by: str = "", labels: str = "") -> str:
    return f"histogram_quantile({part:g}, sum by (le{by}) (rate({name}_bucket{labels}[$__rate_interval])))"


POOLS: Rows = (
    (
        "Now",
        (
            Panel(title="Workers", kind="stat", queries=((f"sum(herder_workers{_P})", ""),)),
            Panel(title="Pending workers", kind="stat", queries=(('worker_pool_size{type="pending"}', ""),)),
            Panel(title="Waiting jobs", kind="stat", queries=(("job_queue_length", ""),)),
            Panel(
                title="Pending pods", kind="stat", queries=(("sum(herder_pending_pods) or vector(0)", ""),)
            ),
            Panel(title="Past ttl", kind="stat", queries=(("herder_workers_past_ttl", ""),)),
            Panel(
                title="Firing alerts",
                kind="stat",
                queries=(('count(ALERTS{alertstate="firing"}) or vector(0)', ""),),
            ),
        ),
    ),
    (
        "Size",
        (
            Panel(
                title="Workers by pool",
                stacked=True,
                queries=((f"sum by (pool) (herder_workers{_P})", "{{pool}}"),),
            ),
            Panel(
                title="Workers and limits",
                text="How far each pool is from its maximum.",
                queries=(
                    (f"sum by (pool) (herder_workers{_P})", "{{pool}}"),
                    (f"herder_pool_max_workers{_P}", "{{pool}} max"),
                    (f"herder_pool_min_workers{_P}", "{{pool}} min"),
                ),
            ),
            Panel(
                title="Workers by state",
                stacked=True,
                queries=((f"sum by (state) (herder_workers{_P})", "{{state}}"),),
            ),
        ),
    ),
    (
        "Use of capacity",
        (
            Panel(
                title="CPU allocated",
                unit="percentunit",
                queries=(
                    (
                        'herder_pool_allocated{pool=~"$pool",resource="cpu"} / (herder_pool_capacity{pool=~"$pool",resource="cpu"} > 0)',
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Memory allocated",
                unit="percentunit",
                queries=(
                    (
                        'herder_pool_allocated{pool=~"$pool",resource="memory"} / (herder_pool_capacity{pool=~"$pool",resource="memory"} > 0)',
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Measured use",
                unit="percentunit",
                queries=((f"herder_pool_utilization{_P}", "{{pool}} {{resource}}"),),
            ),
            Panel(title="Idle workers", queries=((f"herder_workers_idle{_P}", "{{pool}}"),)),
        ),
    ),
    (
        "The server",
        (
            Panel(
                title="Calls by area",
                unit="reqps",
                queries=(
                    ("sum by (area) (rate(herder_http_request_seconds_count[$__rate_interval]))", "{{area}}"),
                ),
            ),
            Panel(
                title="Calls that failed",
                unit="reqps",
                queries=(
                    (
                        'sum by (area, status) (rate(herder_http_request_seconds_count{status=~"4xx|5xx"}[$__rate_interval]))',
                        "{{area}} {{status}}",
                    ),
                ),
            ),
            Panel(
                title="Commits and plans, p95",
                unit="s",
                queries=(
                    (_quantile(0.95, "herder_commit_seconds"), "commit"),
                    (_quantile(0.95, "herder_plan_seconds"), "plan"),
                ),
            ),
            Panel(
                title="CPU and memory of the server",
                queries=(
                    ('rate(process_cpu_seconds_total{job="herder"}[$__rate_interval])', "cores"),
                    ('process_resident_memory_bytes{job="herder"} / 1073741824', "GiB"),
                ),
            ),
        ),
    ),
)

LIFECYCLE: Rows = (
    (
        "Creation",
        (
            Panel(
                title="In creation, by step",
                stacked=True,
                queries=(("sum by (step) (herder_workers_creating)", "{{step}}"),),
            ),
            Panel(
                title="From request to ready",
                unit="s",
                queries=(
                    (_quantile(0.5, "herder_worker_start_seconds", ", pool", _P), "{{pool}} p50"),
                    (_quantile(0.95, "herder_worker_start_seconds", ", pool", _P), "{{pool}} p95"),
                ),
            ),
            Panel(
                title="Age of the oldest creation",
                unit="s",
                queries=((f"time() - worker_provision_start_time{_P}", "{{pool}}"),),
            ),
        ),
    ),
    (
        "Scaling and failures",
        (
            Panel(
                title="Requested and drained",
                unit="cps",
                queries=(
                    (_rate("herder_scaling_events_total", "pool, direction"), "{{pool}} {{direction}}"),
                ),
            ),
            Panel(
                title="Failed creations",
                unit="cps",
                queries=((_rate("herder_creation_failures_total", "pool, cause"), "{{pool}} {{cause}}"),),
            ),
            Panel(
                title="Failures in a row",
                queries=((f"herder_creation_failures_in_row{_P}", "{{pool}}"),),
            ),
            Panel(
                title="Interruptions",
                unit="cps",
                queries=((_rate("herder_interruptions_total", "pool"), "{{pool}}"),),
            ),
        ),
    ),
    (
        "Health",
        (
            Panel(
                title="Sick workers",
                queries=((f"sum by (pool, condition) (herder_workers_sick{_P})", "{{pool}} {{condition}}"),),
            ),
            Panel(
                title="Repairs",
                unit="cps",
                queries=((_rate("herder_worker_repairs_total", "rung, outcome"), "{{rung}} {{outcome}}"),),
            ),
            Panel(
                title="Need a person",
                queries=(
                    (f"herder_workers_escalated{_P}", "{{pool}} escalated"),
                    (f"herder_workers_quarantined{_P}", "{{pool}} quarantined"),
                    (f"herder_drains_blocked{_P}", "{{pool}} blocked"),
                ),
            ),
        ),
    ),
    (
        "Providers",
        (
            Panel(title="Usable drivers", queries=(("herder_driver_usable", "{{driver}}"),)),
            Panel(title="Calls to providers", queries=(("herder_driver_calls", "{{driver}} {{state}}"),)),
            Panel(title="Clusters up to date", queries=(("herder_cluster_fresh", "{{cluster}}"),)),
        ),
    ),
)

COSTS: Rows = (
    (
        "Now",
        (
            Panel(
                title="Cost an hour",
                kind="stat",
                unit="currencyUSD",
                queries=((f"sum(herder_cost_usd_per_hour{_P})", ""),),
            ),
            Panel(
                title="In the shown time",
                kind="stat",
                unit="currencyUSD",
                queries=((f"sum(increase(herder_pool_cost_usd_total{_P}[$__range]))", ""),),
            ),
            Panel(
                title="At this rate, in 30 days",
                kind="stat",
                unit="currencyUSD",
                queries=((f"sum(herder_cost_usd_per_hour{_P}) * 720", ""),),
            ),
        ),
    ),
    (
        "By pool",
        (
            Panel(
                title="Cost an hour by pool",
                unit="currencyUSD",
                stacked=True,
                queries=((f"herder_cost_usd_per_hour{_P}", "{{pool}}"),),
            ),
            Panel(
                title="Cost of the shown time, by pool",
                kind="bargauge",
                unit="currencyUSD",
                queries=((f"increase(herder_pool_cost_usd_total{_P}[$__range])", "{{pool}}"),),
            ),
            Panel(
                title="Cost of live workers so far",
                unit="currencyUSD",
                queries=((f"herder_live_workers_cost_usd{_P}", "{{pool}}"),),
            ),
        ),
    ),
    (
        "By project and user",
        (
            Panel(
                title="Cost of ended attempts by project, an hour",
                unit="currencyUSD",
                queries=((_rate("herder_attempts_cost_usd_total", "project") + " * 3600", "{{project}}"),),
            ),
            Panel(
                title="Users of the shown time, the ten with the highest costs",
                kind="table",
                unit="currencyUSD",
                queries=(
                    (f"topk(10, sum by (user) (increase(herder_attempts_cost_usd_total{_P}[$__range])))", ""),
                ),
            ),
        ),
    ),
    (
        "Budgets",
        (
            Panel(
                title="Spent of each budget",
                kind="bargauge",
                unit="percentunit",
                queries=(("herder_budget_spent / (herder_budget_limit > 0)", "{{budget}}"),),
            ),
            Panel(
                title="Left in each budget",
                text="In dollars or tokens.",
                queries=(("herder_budget_left", "{{budget}} {{unit}}"),),
            ),
            Panel(
                title="Active alerts of costs",
                queries=(("sum by (policy, level) (herder_alerts)", "{{policy}} {{level}}"),),
            ),
        ),
    ),
)

JOBS: Rows = (
    (
        "Now",
        (
            Panel(title="Waiting", kind="stat", queries=(("job_queue_length", ""),)),
            Panel(title="Running", kind="stat", queries=(('herder_jobs{state="running"}', ""),)),
            Panel(title="Ended a minute", kind="stat", queries=(("job_processing_rate", ""),)),
            Panel(title="Oldest", kind="stat", unit="s", queries=(("herder_oldest_job_seconds", ""),)),
        ),
    ),
    (
        "Rate and errors",
        (
            Panel(
                title="Jobs that have not ended",
                stacked=True,
                queries=(('herder_jobs{state=~"pending|blocked|ready|running|held"}', "{{state}}"),),
            ),
            Panel(
                title="Ended jobs",
                unit="cps",
                queries=(("sum by (state) (rate(herder_jobs_ended_total[$__rate_interval]))", "{{state}}"),),
            ),
            Panel(
                title="Ended attempts by state",
                unit="cps",
                queries=(
                    ("sum by (state) (rate(herder_attempt_seconds_count[$__rate_interval]))", "{{state}}"),
                ),
            ),
        ),
    ),
    (
        "Duration",
        (
            Panel(
                title="Wait for a worker",
                unit="s",
                queries=(
                    (_quantile(0.5, "herder_job_wait_seconds"), "p50"),
                    (_quantile(0.95, "herder_job_wait_seconds"), "p95"),
                ),
            ),
            Panel(
                title="Run time of attempts that succeeded",
                unit="s",
                queries=(
                    (_quantile(0.5, "herder_attempt_seconds", "", '{state="succeeded"}'), "p50"),
                    (_quantile(0.95, "herder_attempt_seconds", "", '{state="succeeded"}'), "p95"),
                ),
            ),
            Panel(
                title="Distribution of waits",
                kind="heatmap",
                unit="s",
                queries=(
                    ("sum by (le) (increase(herder_job_wait_seconds_bucket[$__rate_interval]))", "{{le}}"),
                ),
            ),
        ),
    ),
    (
        "Who uses what",
        (
            Panel(
                title="Attempts by project",
                unit="cps",
                queries=((_rate("herder_attempts_total", "project"), "{{project}}"),),
            ),
            Panel(
                title="Attempts by pool",
                unit="cps",
                queries=((_rate("herder_attempts_total", "pool"), "{{pool}}"),),
            ),
        ),
    ),
)
