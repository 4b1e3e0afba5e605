"""Alerts of capacity: pools that are full, at their maximum, idle, or that grow and shrink too often."""

from herder.observability.rules.rule import Alert, Group, Recording, Severity

_COUNTED = '{resource=~"cpu|memory|gpu"}'
_WORKERS = "sum by (pool) (herder_workers)"

GROUP = Group(
    name="herder-capacity",
    title="Capacity",
    recordings=(
        Recording(
            name="herder:pool_allocated:ratio",
            expr=f"max by (pool) (herder_pool_allocated{_COUNTED} / (herder_pool_capacity{_COUNTED} > 0))",
            text="The part of each pool that is allocated, of the resource that is scarcest.",
        ),
    ),
    alerts=(
        Alert(
            name="worker_pool_capacity_low",
            expr="herder:pool_allocated:ratio > 0.9",
            for_s=300,
            summary="{{ $value | humanizePercentage }} of pool {{ $labels.pool }} is allocated.",
            means="The ready workers of the pool have little left for more work.",
            look=("herder pool get POOL", "herder why pool POOL"),
            remedy="Nothing as long as the pool grows. At its maximum, raise max_workers.",
        ),
        Alert(
            name="HerderPoolAtMaximum",
            expr=f"({_WORKERS} >= on (pool) (herder_pool_max_workers > 0)) and on () (sum(job_queue_length) > 0) "
            "unless on (pool) (herder:pool_allocated:ratio < 0.9)",
            for_s=600,
            severity=Severity.CRITICAL,
            summary="Pool {{ $labels.pool }} has {{ $value }} workers, its maximum, and jobs wait.",
            means="The pool cannot grow, and its workers have little left. Jobs that only it can run wait.",
            look=("herder pool get POOL", "herder job list --state ready", "herder why pool POOL"),
            remedy="Raise max_workers, or let the jobs use another pool.",
        ),
        Alert(
            name="WorkerResourceExhaustion",
            expr="worker_cpu_utilization > 90",
            for_s=600,
            severity=Severity.CRITICAL,
            summary="Workers use {{ $value | humanize }} % of their CPU.",
            means="Measured over all workers that report their use. Jobs run more slowly than they could.",
            look=("herder pool list", "herder worker list -o wide"),
            remedy="Set cpu_pressure for the pools, so that they grow by measured use, or let jobs request more CPU.",
        ),
        Alert(
            name="HerderPoolCpuHigh",
            expr='herder_pool_utilization{resource="cpu"} > 0.8',
            for_s=300,
            summary="Pool {{ $labels.pool }} uses {{ $value | humanizePercentage }} of its CPU.",
            means="The threshold at which permanent pools grow by default.",
            look=("herder pool get POOL", "herder why pool POOL"),
            remedy="Nothing if the pool has cpu_pressure and is below its maximum. Else set it, or raise max_workers.",
        ),
        Alert(
            name="HerderPoolMemoryHigh",
            expr='herder_pool_utilization{resource="memory"} > 0.85',
            for_s=300,
            summary="Pool {{ $labels.pool }} uses {{ $value | humanizePercentage }} of its memory.",
            means="Jobs may soon be killed for lack of memory.",
            look=("herder pool get POOL", "herder worker list --pool POOL"),
            remedy="Set memory_pressure for the pool, or use a template with more memory.",
        ),
        Alert(
            name="HerderPendingPods",
            expr="sum by (cluster) (herder_pending_pods) > 5",
            for_s=120,
            summary="{{ $value }} pods of cluster {{ $labels.cluster }} wait for a node.",
            means='For `kube_pod_status_phase{phase="Pending"} > 5`: only pods that a node could help count.',
            look=("herder why pod NAMESPACE/NAME", "herder cluster show CLUSTER"),
            remedy="`herder why pod` names what the pod lacks: a pool at its maximum, a toleration, or a larger template.",
        ),
        Alert(
            name="HerderScalingFlaps",
            expr="sum by (pool) (rate(herder_scaling_events_total[5m])) > 0.5",
            for_s=1800,
            summary="Pool {{ $labels.pool }} requests and drains {{ $value | humanize }} workers a second.",
            means="Workers are removed and created again soon after.",
            look=("herder events --kind worker.requested", "herder plan list"),
            remedy="Raise idle_timeout or the cooldowns of the pool.",
        ),
        Alert(
            name="HerderIdleWorkers",
            expr=f"(herder_workers_idle > 0) == on (pool) {_WORKERS} and on (pool) (herder_pool_min_workers == 0)",
            for_s=1800,
            severity=Severity.INFO,
            summary="All {{ $value }} workers of pool {{ $labels.pool }} have been idle for 30 min.",
            means="The pool may have no worker (min_workers: 0), and has not shrunk to none.",
            look=("herder why pool POOL", "herder worker list --pool POOL"),
            remedy="See whether workers were added by hand, headroom or a schedule keeps them, or idle_timeout is longer.",
        ),
    ),
)
