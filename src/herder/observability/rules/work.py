"""Alerts of jobs: a queue that does not shrink, jobs that wait long, and jobs that fail."""

from herder.observability.rules.rule import Alert, Group, Recording, Severity

_ENDED = "herder_jobs_ended_total"

GROUP = Group(
    name="herder-jobs",
    title="Jobs",
    recordings=(
        Recording(
            name="herder:job_failures:ratio_15m",
            expr=f'sum(increase({_ENDED}{{state="failed"}}[15m])) / (sum(increase({_ENDED}[15m])) > 0)',
            text="The part of the jobs that ended which failed.",
        ),
    ),
    alerts=(
        Alert(
            name="WorkerQueueBacklog",
            expr="job_queue_length > 20",
            for_s=300,
            summary="{{ $value }} jobs wait for workers.",
            means="The queue has had more than 20 jobs for 5 min.",
            look=("herder status", "herder job list --state ready", "herder plan"),
            remedy="`herder plan` names what limits growth: a maximum, a quota, a budget or a provider.",
        ),
        Alert(
            name="HerderJobsWaitLong",
            expr="herder_oldest_job_seconds > 3600",
            for_s=300,
            summary="A job has waited for {{ $value | humanizeDuration }}.",
            means="Some job may start and has found no worker for an hour.",
            look=("herder job list --state ready", "herder why job JOB"),
            remedy="`herder why job` names what it waits for. No pool may fit it.",
        ),
        Alert(
            name="HerderJobsFail",
            expr=f'herder:job_failures:ratio_15m > 0.5 and on () (sum(increase({_ENDED}{{state="failed"}}[15m])) > 10)',
            summary="{{ $value | humanizePercentage }} of the jobs that ended in 15 min failed.",
            means="More than 10 jobs failed, and more than half of all.",
            look=("herder job list --state failed", "herder job logs JOB"),
            remedy="If jobs of all users fail, look at the workers: image, network, disk. Else tell the user.",
        ),
        Alert(
            name="HerderAttemptsLost",
            expr='sum(increase(herder_attempt_seconds_count{state="lost"}[15m])) > 10',
            severity=Severity.WARNING,
            summary="{{ $value | humanize }} attempts were lost in 15 min.",
            means="Workers went away while jobs ran on them. The jobs are tried again.",
            look=("herder events --kind worker.unhealthy", "herder worker list"),
            remedy="See HerderWorkersNotReady and HerderSpotInterruptions.",
        ),
    ),
)
