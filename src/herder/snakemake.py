"""What a job of Snakemake requests, in the fields of a job of Herder. Pure: used by the package `snakemake_executor_plugin_herder`, with what
Snakemake knows of a job, and imported without Snakemake by the tests.

Sizes of Snakemake are in MB (`mem_mb`) or MiB (`mem_mib`), its `runtime` is in minutes.
"""

import re
from collections.abc import Mapping
from typing import Any

from herder.wire.api.work import JobSubmission

MEMORY_UNSAID = "1Gi"
"""For a job without mem_mb and mem_mib: the Python of Snakemake itself takes part of it."""
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_MOST = 100


def submission(
    *,
    rule: str,
    number: int,
    attempt: int,
    script: str,
    folder: str,
    env: Mapping[str, str],
    threads: int,
    resources: Mapping[str, Any],
    pool: str,
) -> JobSubmission:
    """`script` is for sh and runs in `folder`; `resources` as in the rule, `herder_pool` and `herder_priority` among them; `pool` is for
    jobs without `herder_pool`."""
    again = f"-{attempt}" if attempt > 1 else ""
    name = _NOT_OF_NAMES.sub("-", rule)[:_NAME_MOST]
    made = JobSubmission(
        key=f"{name}-{number}{again}",
        command=["/bin/sh", "-c", script],
        cwd=folder,
        env=dict(env),
        cpu=max(1, resources.get("_cores", threads)),
        memory=_size(resources, "mem") or MEMORY_UNSAID,
        pool=str(resources.get("herder_pool", pool)),
        priority=resources.get("herder_priority", 0),
    )
    if disk := _size(resources, "disk"):
        made.disk = disk
    if gpus := resources.get("gpu", resources.get("gpus", 0)):
        made.gpu, made.gpu_model = gpus, str(resources.get("gpu_model", ""))
    if minutes := resources.get("runtime"):
        made.timeout_s = 60.0 * minutes
    return made


def _size(resources: Mapping[str, Any], name: str) -> str | None:
    """A rule may have both units; Snakemake derives one from the other."""
    mebi, mega = resources.get(f"{name}_mib"), resources.get(f"{name}_mb")
    if isinstance(mebi, int):
        return f"{mebi}Mi"
    return f"{mega}M" if isinstance(mega, int) else None
