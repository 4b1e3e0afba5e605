"""Submits a job that has ended again, for `herder job retry`. The new job goes through the same checks as any other.

Called by `control/commands.py` with the row of the old one. It belongs to whoever asks, and to no batch.
"""

from typing import Any

import msgspec
from sqlalchemy import Row

from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.decide.eligibility.matching import CONTAINERS
from herder.model.ids import ClassId
from herder.model.work.job import JobClass, JobState, RetryPolicy
from herder.store.rows.json_forms import decode_class
from herder.wire.api.work import Expression, JobSubmission, OnRetry
from herder.wire.worker.exchange import JobPayload


def submission_of(core: Core, row: Row[Any], state: JobState) -> JobSubmission:
    """`state`: the job's, as its readers see it. Raises Conflict."""
    if not state.ended:
        raise Conflict(
            f"Job {row.id} has not ended; it is {state.label}.",
            hint=f"`herder job cancel {row.id}` ends it; `herder job explain {row.id}` shows why it waits.",
        )
    job_class = core.state.classes.get(ClassId(row.class_id)) or decode_class(
        row.class_spec, core.state.resources
    )
    if job_class.parents_results:
        raise Conflict(
            f"Job {row.id} reads the results of its parents, and a single job has no parents.",
            hint="Submit the batch again.",
        )
    payload = msgspec.json.decode(row.payload, type=JobPayload)
    again = _submission(job_class, payload, row.key)
    known = core.state.sharing.job_type(job_class.type)
    if known is not None and known.priority == job_class.priority:
        again.priority = 0  # the type gives it again, to whoever asks
    return again


def _submission(job_class: JobClass, payload: JobPayload, key: str | None) -> JobSubmission:
    request = job_class.request
    table = request.table
    return JobSubmission(
        command=payload.command,
        key=key,
        env=payload.env,
        stdin=payload.stdin,
        inputs=payload.inputs,
        data=payload.data,
        cwd=payload.cwd,
        sleep_ms=payload.sleep_ms,
        cpu=f"{request.cpu_milli}m",
        cpu_limit=job_class.cpu_limit.value if job_class.cpu_limit else "",
        memory=f"{request.memory_mib}Mi",
        disk=f"{request.disk_mib}Mi",
        gpu=job_class.gpus_asked,
        gpu_model="|".join(job_class.gpu_models),
        resources={name: table.named(name).plain(amount) for name, amount in request.declared().items()},
        pool=job_class.pool,
        project=job_class.project,
        priority=job_class.priority,
        type=job_class.type,
        runtime=job_class.runtime,
        image=payload.image,
        container=payload.container,
        warm_python=payload.warm_python,
        secrets=payload.secrets,
        shred=payload.shred,
        timeout_s=job_class.timeout_s,
        queue_timeout_s=job_class.queue_timeout_s,
        retries=job_class.retry.retries,
        attempts_max=job_class.retry.attempts_max,
        memory_profile=job_class.retry.memory_profile,
        on_retry=_on_retry(job_class.retry),
        selector=dict(job_class.selector),
        tolerations=[_plain(each) for each in job_class.tolerations],
        affinity=[
            Expression(key=each.key, operator=each.operator.value, values=list(each.values))
            for term in job_class.affinity.required
            for each in term
            if each.key != CONTAINERS  # follows from the image
        ],
    )


def _on_retry(policy: RetryPolicy) -> OnRetry | None:
    if not policy.adapts:
        return None
    most = policy.memory_max_mib
    return OnRetry(
        memory_factor=policy.memory_factor,
        memory_max="" if most is None else f"{most}Mi",
        on_demand_after=policy.on_demand_after,
    )


def _plain(toleration: Any) -> dict[str, str]:
    given = {"key": toleration.key, "value": toleration.value, "effect": toleration.effect}
    return {name: str(value) for name, value in given.items() if value is not None}
