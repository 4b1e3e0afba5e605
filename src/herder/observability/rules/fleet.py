"""Alerts of providers and of creations: workers that do not come."""

from herder.observability.rules.rule import Alert, Group, Recording, Severity

GROUP = Group(
    name="herder-fleet",
    title="Providers and new workers",
    recordings=(
        Recording(
            name="herder:workers:count",
            expr="sum by (pool) (herder_workers)",
            text='Workers by pool; for `count(kube_node_labels{label_node_pool="burst"})`.',
        ),
    ),
    alerts=(
        Alert(
            name="worker_provision_timeout",
            expr="time() - worker_provision_start_time > 600",
            summary="A worker of pool {{ $labels.pool }} has been in creation for {{ $value | humanizeDuration }}.",
            means="Creations take at most a few minutes. The creation continues until the sum of the time-outs of its steps.",
            look=(
                "herder worker list --pool POOL",
                "herder why worker NAME",
                "herder worker operations NAME",
            ),
            remedy="Look at the machine at its provider (`herder worker console NAME`). If it does not come, remove the worker: Herder creates another.",
        ),
        Alert(
            name="BurstWorkerStuckProvisioning",
            expr='time() - worker_provision_start_time{pool=~".*burst.*"} > 600',
            for_s=300,
            summary="A worker of burst pool {{ $labels.pool }} has been in creation for {{ $value | humanizeDuration }}.",
            means="Burst workers are for demand of now, and this one is late.",
            look=("herder worker list --pool POOL", "herder why worker NAME"),
            remedy="As for worker_provision_timeout. Meanwhile another pool can take the work: raise its max_workers.",
        ),
        Alert(
            name="worker_join_failure",
            expr="herder_creation_failures_in_row >= 3",
            severity=Severity.CRITICAL,
            summary="The last {{ $value }} creations of pool {{ $labels.pool }} failed.",
            means="No worker of the pool became ready since. Herder tries again with growing pauses.",
            look=("herder events --kind worker.failed", "herder driver check DRIVER", "herder why pool POOL"),
            remedy="The events name the cause: quota, capacity, credentials, or a machine that does not join. Correct it; nothing else is needed.",
        ),
        Alert(
            name="HerderDriverUnusable",
            expr="herder_driver_usable == 0",
            for_s=300,
            severity=Severity.CRITICAL,
            summary="Driver {{ $labels.driver }} cannot be used.",
            means="It is frozen, or its provider does not answer or refuses the credentials. Workers are neither created nor removed there.",
            look=("herder driver list", "herder driver check DRIVER"),
            remedy="Renew the credentials, or wait for the provider. A frozen driver needs `herder driver unfreeze DRIVER`.",
        ),
        Alert(
            name="HerderDriverCallsAbandoned",
            expr='herder_driver_calls{state="abandoned"} > 0',
            for_s=900,
            summary="{{ $value }} calls to driver {{ $labels.driver }} have not returned.",
            means="They passed their deadline and occupy places for calls.",
            look=("herder driver get DRIVER",),
            remedy="If all places are occupied, restart the server: it finds its machines again.",
        ),
        Alert(
            name="HerderClusterStale",
            expr="herder_cluster_fresh == 0",
            for_s=600,
            summary="Nothing up to date is known of cluster {{ $labels.cluster }}.",
            means="Nothing is decided on old facts: pools of the cluster neither grow nor shrink.",
            look=("herder cluster check CLUSTER", "herder events --kind cluster.stale"),
            remedy="Give the API server back, or renew the credentials of Herder there.",
        ),
        Alert(
            name="HerderSpotInterruptions",
            expr="sum by (pool) (increase(herder_interruptions_total[1h])) > 5",
            severity=Severity.INFO,
            summary="{{ $value | humanize }} machines of pool {{ $labels.pool }} were taken back in an hour.",
            means="The provider has little spot capacity. Attempts are tried again, at a cost.",
            look=("herder offer list", "herder cost breakdown --by pool"),
            remedy="Add zones or templates to the pool, or lower max_spot_price so that on-demand machines are used.",
        ),
    ),
)
