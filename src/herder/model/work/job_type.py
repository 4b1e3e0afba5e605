"""Types of jobs: a name in a submission that stands for a priority, limits and defaults.

What people want, as `job_types` of herder.yaml says it. Read by submission, which fills jobs with the defaults, and by
`decide/quotas`, which counts the running jobs of a type. The four types that Mimir documents are known by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: One slot, in thousandths: a job of weight 1.
SLOT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """Empty texts, None and empty tuples say nothing: the job decides, or the usual default."""

    name: str
    description: str = ""
    priority: int = 0
    max_concurrent: int | None = None
    """So many of its jobs run at a time, over the whole server. None: no limit."""
    weight_milli: int = SLOT
    """Slots that one of its running jobs takes of `Sharing.job_slots`, in thousandths."""
    pool: str = ""
    cpu: str = ""
    memory: str = ""
    disk: str = ""
    gpu: float | None = None
    command: tuple[str, ...] = ()
    image: str = ""
    runtime: str = ""
    timeout_s: float | None = None
    retries: int | None = None
    env: tuple[tuple[str, str], ...] = ()


def _mimir(name: str, what: str, priority: int, most: int, weight: int, cpu: str, memory: str) -> JobType:
    return JobType(
        name=name,
        description=what,
        priority=priority,
        max_concurrent=most,
        weight_milli=weight,
        cpu=cpu,
        memory=memory,
    )


#: Figures of Mimir's scaling rules, and the smaller ones of its default sizes.
KNOWN: Mapping[str, JobType] = MappingProxyType(
    {
        each.name: each
        for each in (
            _mimir("pipeline_execution", "Data ingestion and processing.", 1, 20, 1000, "1", "2Gi"),
            _mimir("ml_training", "Training of models.", 3, 5, 3000, "4", "8Gi"),
            _mimir("ml_inference", "Inference and prediction.", 2, 10, 1500, "1", "2Gi"),
            _mimir("digital_twin_update", "Updates of digital twins.", 1, 15, 1200, "2", "4Gi"),
        )
    }
)
