"""Alerts of workers that are there: ttl, drains, conditions and repairs."""

from herder.observability.rules.rule import Alert, Group, Recording, Severity

_LIVE = 'herder_workers{state=~"ready|unhealthy"}'

GROUP = Group(
    name="herder-workers",
    title="Health and removal of workers",
    recordings=(
        Recording(
            name="herder:workers_not_ready:count",
            expr='sum by (pool) (herder_workers_sick{condition="NotReady"})',
            text='Silent workers by pool; for `kube_node_status_condition{condition="Ready",status="false"}`.',
        ),
    ),
    alerts=(
        Alert(
            name="ttl_cleanup_failure",
            expr="herder_workers_past_ttl > 0",
            for_s=1200,
            summary="{{ $value }} workers are still there 20 min after their ttl.",
            means="Grace, drain and removal of an expired worker take at most 15 min by default. The removal failed, or a drain waits.",
            look=(
                "herder worker list -o wide",
                "herder events --kind worker.drain_blocked",
                "herder driver list",
            ),
            remedy="Cancel what blocks the drain, or remove the worker with `herder worker remove NAME --force`. See HerderDriverUnusable when the provider does not delete.",
        ),
        Alert(
            name="HerderDrainBlocked",
            expr="herder_drains_blocked > 0",
            for_s=3600,
            summary="Pool {{ $labels.pool }} waits for attempts on {{ $value }} of its workers beyond the deadline of a drain.",
            means="The pool has `on_blocked: wait`, and attempts or pods do not end.",
            look=("herder events --kind worker.drain_blocked", "herder why worker NAME"),
            remedy="Cancel the jobs, force the drain, or set on_blocked: force.",
        ),
        Alert(
            name="HerderWorkersNotReady",
            expr="herder:workers_not_ready:count > 0",
            for_s=300,
            summary="{{ $value }} workers of pool {{ $labels.pool }} are silent.",
            means="They were not heard of. Herder restarts, reboots or replaces them by the pool's repair table.",
            look=("herder worker list --pool POOL", "herder worker health NAME"),
            remedy="Nothing as long as repairs succeed. If several are silent at once, look at the network between them and the server.",
        ),
        Alert(
            name="HerderWorkersUnavailable",
            expr=f'(sum by (pool) (herder_workers{{state="unhealthy"}}) / sum by (pool) ({_LIVE})) >= 0.5',
            for_s=180,
            severity=Severity.CRITICAL,
            summary="{{ $value | humanizePercentage }} of the workers of pool {{ $labels.pool }} cannot work.",
            means="So many at once seldom have a cause of their own.",
            look=("herder worker list --pool POOL", "herder events --kind worker.unhealthy"),
            remedy="Look at what they have in common: network, image, zone. The repair breaker stops repairs of too many at once.",
        ),
        Alert(
            name="auto_repair_failure",
            expr="sum by (pool) (increase(herder_repair_failures_total[1h])) >= 3",
            severity=Severity.CRITICAL,
            summary="{{ $value | humanize }} repairs of pool {{ $labels.pool }} failed in an hour.",
            means="Calls that restart, reboot or replace workers failed.",
            look=("herder worker health NAME", "herder driver check DRIVER"),
            remedy="See whether the driver may restart machines. Repair by hand, or replace the workers.",
        ),
        Alert(
            name="HerderWorkerNeedsPerson",
            expr="herder_workers_escalated > 0",
            for_s=300,
            summary="Pool {{ $labels.pool }} cannot repair {{ $value }} of its workers.",
            means="All rungs of the repair were tried, and the condition is still there.",
            look=("herder events --kind worker.escalated", "herder worker health NAME"),
            remedy="Repair the machine, or remove the worker.",
        ),
        Alert(
            name="HerderRepairBreakerOpen",
            expr="herder_repair_breaker_open == 1",
            for_s=1800,
            summary="The repair breaker of pool {{ $labels.pool }} has been open for 30 min.",
            means="As many workers are under repair as repair_breaker allows. If many are sick at once, the cause is seldom in the workers.",
            look=("herder events --kind worker.repair_held", "herder worker list --pool POOL"),
            remedy="Find the common cause. Raise repair_breaker only when the workers themselves are at fault.",
        ),
        Alert(
            name="HerderWorkersQuarantined",
            expr="herder_workers_quarantined > 0",
            for_s=43200,
            severity=Severity.INFO,
            summary="Pool {{ $labels.pool }} keeps {{ $value }} of its workers for inspection, at their usual cost.",
            means="The pool has `quarantine`, and they were not inspected yet.",
            look=("herder worker list --pool POOL", "herder worker health NAME"),
            remedy="Inspect them, then release each with `herder worker uncordon NAME`, or remove it with `herder worker remove NAME`.",
        ),
    ),
)
