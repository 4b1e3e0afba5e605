"""For each alert the facts in which it fires, and those in which it does not. Told to promtool as series, and to a real Prometheus as text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One series. `rising`: its values are what it grows by in a minute. `ago`: its values are ages in seconds, of a series that is a time."""

    metric: str
    bad: float
    good: float
    labels: tuple[tuple[str, str], ...] = ()
    rising: bool = False
    ago: bool = False

    def series(self) -> str:
        return self.metric + "{" + ",".join(f'{key}="{value}"' for key, value in self.labels) + "}"


def gauge(metric: str, bad: float, good: float, **labels: str) -> Fact:
    return Fact(metric, bad, good, tuple(labels.items()))


def counter(metric: str, bad: float, good: float, **labels: str) -> Fact:
    return Fact(metric, bad, good, tuple(labels.items()), rising=True)


def age(metric: str, bad: float, good: float, **labels: str) -> Fact:
    return Fact(metric, bad, good, tuple(labels.items()), ago=True)


_CALLS = {"area": "jobs", "method": "GET"}
_BUDGET = {"budget": "dept", "unit": "usd"}
_FULL, _IDLE = {"pool": "full"}, {"pool": "idle"}


def _spent(bad: float) -> tuple[Fact, ...]:
    return (
        gauge("herder_budget_spent", bad, 10, **_BUDGET),
        gauge("herder_budget_limit", 100, 100, **_BUDGET),
    )


SITUATIONS: dict[str, tuple[Fact, ...]] = {
    "HerderDown": (gauge("up", 0, 1, job="herder", instance="a:1"),),
    "HerderNoLeader": (gauge("herder_leader", 0, 1),),
    "HerderRestarts": (counter("herder_started_timestamp_seconds", 60, 0),),
    "HerderStoreTrouble": (gauge("herder_store_trouble", 1, 0),),
    "HerderCommitsSlow": (
        counter("herder_commit_seconds_bucket", 0, 60, le="1.0"),
        counter("herder_commit_seconds_bucket", 60, 60, le="5.0"),
        counter("herder_commit_seconds_bucket", 60, 60, le="+Inf"),
    ),
    "HerderHttpErrors": (
        counter("herder_http_request_seconds_count", 60, 0, **_CALLS, status="5xx"),
        counter("herder_http_request_seconds_count", 60, 60, **_CALLS, status="2xx"),
    ),
    "HerderPlannerStalled": (age("herder_last_plan_timestamp_seconds", 400, 1),),
    "HerderPlanRefused": (counter("herder_events_total", 1, 0, kind="plan.refused"),),
    "HerderTriggerFails": (counter("herder_trigger_failures_total", 60, 0, pool="full", trigger="Cpu"),),
    "HerderCallbacksFail": (counter("herder_events_total", 1, 0, kind="callback.failed"),),
    "worker_provision_timeout": (age("worker_provision_start_time", 700, 5, pool="full"),),
    "BurstWorkerStuckProvisioning": (age("worker_provision_start_time", 700, 5, pool="gpu-burst-a"),),
    "worker_join_failure": (gauge("herder_creation_failures_in_row", 3, 2, **_FULL),),
    "HerderDriverUnusable": (gauge("herder_driver_usable", 0, 1, driver="gcp"),),
    "HerderDriverCallsAbandoned": (gauge("herder_driver_calls", 1, 0, driver="gcp", state="abandoned"),),
    "HerderClusterStale": (gauge("herder_cluster_fresh", 0, 1, cluster="prod"),),
    "HerderSpotInterruptions": (counter("herder_interruptions_total", 6, 0, pool="full", source="driver"),),
    "ttl_cleanup_failure": (gauge("herder_workers_past_ttl", 1, 0),),
    "HerderDrainBlocked": (gauge("herder_drains_blocked", 1, 0, **_FULL),),
    "HerderWorkersNotReady": (gauge("herder_workers_sick", 1, 0, pool="full", condition="NotReady"),),
    "HerderWorkersUnavailable": (
        gauge("herder_workers", 2, 0, pool="full", state="unhealthy"),
        gauge("herder_workers", 2, 2, pool="full", state="ready"),
    ),
    "auto_repair_failure": (counter("herder_repair_failures_total", 3, 0, **_FULL),),
    "HerderWorkerNeedsPerson": (gauge("herder_workers_escalated", 1, 0, **_FULL),),
    "HerderRepairBreakerOpen": (gauge("herder_repair_breaker_open", 1, 0, **_FULL),),
    "HerderWorkersQuarantined": (gauge("herder_workers_quarantined", 1, 0, **_FULL),),
    "worker_pool_capacity_low": (
        gauge("herder_pool_allocated", 9.5, 5, pool="full", resource="cpu"),
        gauge("herder_pool_capacity", 10, 10, pool="full", resource="cpu"),
    ),
    "HerderPoolAtMaximum": (
        gauge("herder_workers", 2, 0, pool="full", state="unhealthy"),
        gauge("herder_workers", 2, 2, pool="full", state="ready"),
        gauge("herder_pool_max_workers", 4, 4, **_FULL),
        gauge("job_queue_length", 21, 0),
    ),
    "WorkerResourceExhaustion": (gauge("worker_cpu_utilization", 91, 90),),
    "HerderPoolCpuHigh": (gauge("herder_pool_utilization", 0.81, 0.8, pool="full", resource="cpu"),),
    "HerderPoolMemoryHigh": (gauge("herder_pool_utilization", 0.86, 0.85, pool="full", resource="memory"),),
    "HerderPendingPods": (gauge("herder_pending_pods", 6, 5, cluster="prod"),),
    "HerderScalingFlaps": (counter("herder_scaling_events_total", 60, 0, pool="full", direction="up"),),
    "HerderIdleWorkers": (
        gauge("herder_workers_idle", 2, 1, **_IDLE),
        gauge("herder_workers", 2, 2, pool="idle", state="ready"),
        gauge("herder_pool_min_workers", 0, 0, **_IDLE),
    ),
    "WorkerQueueBacklog": (gauge("job_queue_length", 21, 0),),
    "HerderJobsWaitLong": (gauge("herder_oldest_job_seconds", 3601, 60),),
    "HerderJobsFail": (
        counter("herder_jobs_ended_total", 60, 0, state="failed"),
        counter("herder_jobs_ended_total", 0, 60, state="succeeded"),
    ),
    "HerderAttemptsLost": (counter("herder_attempt_seconds_count", 60, 0, state="lost"),),
    "HerderBudgetHalfSpent": _spent(55),
    "HerderBudgetWarning": _spent(80),
    "HerderBudgetCritical": _spent(95),
    "HerderBudgetExhausted": _spent(100),
    "HerderAlertWarning": (gauge("herder_alerts", 1, 0, policy="cost-variance", level="warning"),),
    "HerderAlertCritical": (gauge("herder_alerts", 1, 0, policy="cost-variance", level="emergency"),),
    "HerderCostPerHour": (gauge("herder_cost_usd_per_hour", 101, 100, **_FULL),),
    "HerderBurstCost": (counter("herder_pool_cost_usd_total", 51, 0, pool="gpu-burst-a"),),
}
