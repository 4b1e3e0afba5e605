"""The tools that change something, in pairs: a plan, which is a dry run of the server, and its apply, which the server refuses when the hash of
the plan is out of date. Workers of pools with min_workers are permanent: they are not drained through these tools.
"""

from typing import Annotated

from msgspec import Meta, Struct

from herder.client import HerderClient
from herder.client.errors import ClientError
from herder.mcp.tools import HerderTool, Name
from herder.wire.api.resources import Result, ScaleAnswer, ScaleRequest, WorkerAction

PlanHash = Annotated[
    str, Meta(min_length=1, max_length=64, description="The `plan_hash` of the plan's answer.")
]
Reason = Annotated[
    str, Meta(max_length=500, description="Why, in a sentence; it is recorded with the change.")
]


class ScalingPlanned(Struct, kw_only=True, forbid_unknown_fields=True):
    pool: Annotated[Name, Meta(description="The name of the pool.")]
    workers: Annotated[int, Meta(ge=1, le=1_000, description="How many workers to add.")]
    template: Annotated[str | None, Meta(description="A template of the pool; by default the cheapest.")] = (
        None
    )
    ttl_s: Annotated[
        float | None,
        Meta(description="How long the workers live, in seconds; by default the ttl of the pool."),
    ] = None
    reason: Reason = ""


class ScalingApplied(ScalingPlanned, kw_only=True, forbid_unknown_fields=True):
    plan_hash: PlanHash


class DrainPlanned(Struct, kw_only=True, forbid_unknown_fields=True):
    worker: Annotated[Name, Meta(description="The name of the worker.")]
    timeout_s: Annotated[
        float | None,
        Meta(description="How long its jobs may run on, in seconds; by default drain_grace of the pool."),
    ] = None
    reason: Reason = ""


class DrainApplied(DrainPlanned, kw_only=True, forbid_unknown_fields=True):
    plan_hash: PlanHash


class CancellationPlanned(Struct, kw_only=True, forbid_unknown_fields=True):
    job: Annotated[int, Meta(ge=1, description="The number of the job.")]
    reason: Reason = ""


class CancellationApplied(CancellationPlanned, kw_only=True, forbid_unknown_fields=True):
    plan_hash: PlanHash


class RetryPlanned(Struct, kw_only=True, forbid_unknown_fields=True):
    batch: Annotated[int, Meta(ge=1, description="The number of the batch.")]


class RetryApplied(RetryPlanned, kw_only=True, forbid_unknown_fields=True):
    plan_hash: PlanHash


def _scale(client: HerderClient, asked: ScalingPlanned) -> ScaleAnswer:
    request = ScaleRequest(
        workers=asked.workers, template=asked.template, ttl_s=asked.ttl_s, reason=asked.reason
    )
    seen = asked.plan_hash if isinstance(asked, ScalingApplied) else None
    return client.pools.scale(asked.pool, request, dry_run=seen is None, if_plan=seen)


def _drain(client: HerderClient, asked: DrainPlanned) -> Result:
    pool = client.pools.get(client.workers.get(asked.worker).pool)
    if pool.min_workers:
        raise ClientError(
            f"Worker {asked.worker} is permanent: pool {pool.name} has min_workers {pool.min_workers}.",
            hint="A person can drain it with `herder worker drain`.",
        )
    action = WorkerAction(message=asked.reason, timeout_s=asked.timeout_s)
    seen = asked.plan_hash if isinstance(asked, DrainApplied) else None
    return client.workers.act(asked.worker, "drain", action, dry_run=seen is None, if_plan=seen)


def _cancel(client: HerderClient, asked: CancellationPlanned) -> Result:
    seen = asked.plan_hash if isinstance(asked, CancellationApplied) else None
    return client.jobs.cancel(asked.job, asked.reason, dry_run=seen is None, if_plan=seen)


def _retry(client: HerderClient, asked: RetryPlanned) -> Result:
    seen = asked.plan_hash if isinstance(asked, RetryApplied) else None
    return client.batches.retry_failed(asked.batch, dry_run=seen is None, if_plan=seen)


WRITES = (
    HerderTool(name="plan_scale_pool", title="Plan more workers", asked=ScalingPlanned, answered=ScaleAnswer, call=_scale,
               description="What adding workers to a pool would do, with safety checks and a plan_hash for apply_scale_pool. Changes nothing."),
    HerderTool(name="apply_scale_pool", title="Add workers", asked=ScalingApplied, answered=ScaleAnswer, call=_scale, changes="adds",
               description="Add workers to a pool, as planned: same arguments as plan_scale_pool, and its plan_hash. Refused when the plan is out of date."),
    HerderTool(name="plan_drain_worker", title="Plan a drain", asked=DrainPlanned, answered=Result, call=_drain,
               description="What draining a worker would do, with a plan_hash for apply_drain_worker. Permanent workers are refused. Changes nothing."),
    HerderTool(name="apply_drain_worker", title="Drain a worker", asked=DrainApplied, answered=Result, call=_drain, changes="removes",
               description="Drain a worker, as planned: same arguments as plan_drain_worker, and its plan_hash. It takes no new jobs; those that run past the timeout are retried."),
    HerderTool(name="plan_cancel_job", title="Plan to cancel a job", asked=CancellationPlanned, answered=Result, call=_cancel,
               description="What cancelling a job would do, with a plan_hash for apply_cancel_job. Changes nothing."),
    HerderTool(name="apply_cancel_job", title="Cancel a job", asked=CancellationApplied, answered=Result, call=_cancel, changes="removes",
               description="Cancel a job, as planned: same arguments as plan_cancel_job, and its plan_hash. Cannot be undone."),
    HerderTool(name="plan_retry_batch", title="Plan to retry failed jobs", asked=RetryPlanned, answered=Result, call=_retry,
               description="What retrying the failed jobs of a batch would do, with a plan_hash for apply_retry_batch. Changes nothing."),
    HerderTool(name="apply_retry_batch", title="Retry failed jobs", asked=RetryApplied, answered=Result, call=_retry, changes="adds",
               description="Retry the failed jobs of a batch, and those that were skipped because of them, as planned: same arguments as plan_retry_batch, and its plan_hash."),
)  # fmt: skip
