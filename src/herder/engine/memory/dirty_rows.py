"""Rows of objects that change often between two commits (batches, workers), made once, at the hand-over."""

import json
from dataclasses import asdict, fields

from herder.engine.memory.events import reason_data
from herder.engine.memory.groups import Group
from herder.engine.memory.state import BatchLife, EngineState, WorkerLife
from herder.engine.memory.totals import put_totals
from herder.engine.memory.worker_node import text_of as node_text
from herder.engine.memory.worker_repair import text_of
from herder.model.fleet.membership import EXCHANGE, Membership
from herder.model.stored.changes import Changes
from herder.model.stored.records import BatchRecord, JobGroupRecord, WorkerRecord
from herder.model.work.job import JobState

_LABELS = {int(state): state.label for state in JobState}


def flush(state: EngineState, changes: Changes) -> None:
    """Turn what is marked dirty into rows of `changes`."""
    for batch in state.dirty_batches.values():
        changes.put(batch_record(batch))
        if batch.groups is not None and batch.groups.dirty:
            for group in batch.groups.dirty.values():
                changes.put(_group_record(batch, group))
            batch.groups.dirty.clear()
    state.dirty_batches.clear()
    for worker in state.dirty_workers.values():
        changes.put(worker_record(worker))
    state.dirty_workers.clear()
    put_totals(state, changes)


def batch_record(batch: BatchLife) -> BatchRecord:
    return BatchRecord(
        id=batch.id,
        user=batch.user,
        project=batch.project,
        name=batch.name,
        state="cancelled" if batch.cancelled else batch.state,
        attributes=batch.attributes,
        cancel_after_failures=batch.cancel_after_failures,
        counts=_counts_text(batch.counts),
        jobs=batch.jobs,
        cost_pico="",  # the ledger fills it in: no number, so that a row that misses it is seen
        created_at_ms=batch.created_at_ms,
        committed_at_ms=batch.committed_at_ms,
        ended_at_ms=batch.ended_at_ms,
        request=batch.request,
        fingerprint=batch.fingerprint,
        accepts=int(batch.accepts),
        hold=int(batch.keeping is not None and batch.keeping.hold),
        parallel_max=None if batch.keeping is None else batch.keeping.parallel_max,
        callback=batch.callback,
    )


def _counts_text(counts: dict[int, int]) -> str:
    named = {_LABELS[number]: count for number, count in counts.items() if count}
    return json.dumps(named, separators=(",", ":"))


def _group_record(batch: BatchLife, group: Group) -> JobGroupRecord:
    return JobGroupRecord(
        batch_id=batch.id,
        id=group.number,
        path=group.path,
        attributes=group.attributes,
        cancel_after_failures=group.cancel_after_failures,
        cancelled=int(group.cancelled),
        counts=_counts_text(group.counts),
        jobs=group.jobs,
        cost_pico="" if group.cost_pico is None else str(group.cost_pico),
    )


def worker_record(worker: WorkerLife) -> WorkerRecord:
    spec = worker.spec
    return WorkerRecord(
        name=spec.name,
        pool=spec.pool,
        template=spec.template,
        driver=spec.driver,
        state=worker.state.value,
        cordoned=int(worker.cordoned),
        manual=int(worker.manual),
        spec=json.dumps(_plain_spec(worker), separators=(",", ":")),
        handle=worker.handle,
        plan=spec.plan,
        requested_at_ms=worker.requested_at_ms,
        provisioned_at_ms=worker.provisioned_at_ms,
        ready_at_ms=worker.ready_at_ms,
        draining_at_ms=worker.draining_at_ms,
        last_seen_at_ms=worker.last_seen_at_ms,
        expires_at_ms=worker.expires_at_ms,
        extensions=worker.extensions,
        ended_at_ms=worker.ended_at_ms,
        attempts_done=worker.attempts_done,
        token_hash=worker.token_hash,
        activation_hash=worker.activation_hash,
        activation_nonce=worker.activation_nonce,
        reason_made=json.dumps(reason_data(worker.reason_made)),
        reason_removed=json.dumps(reason_data(worker.reason_removed)),
        phase=worker.phase,
        operation=worker.operation,
        creation=""
        if worker.creation is None
        else json.dumps(asdict(worker.creation), separators=(",", ":")),
        drain="" if worker.drain is None else json.dumps(asdict(worker.drain), separators=(",", ":")),
        agent_version=worker.agent_version,
        warned_expiry_ms=worker.warned_expiry_ms,
        expired_ms=worker.expired_ms,
        health=text_of(worker.health),
        node=node_text(worker.node),
    )


def _plain_spec(worker: WorkerLife) -> dict[str, object]:
    spec = worker.spec
    sold = {"zone": spec.zone, "spot": spec.spot} if spec.zone or spec.spot else {}
    joins: dict[str, object] = (
        {} if spec.membership == EXCHANGE else {"membership": _plain_membership(spec.membership)}
    )
    if spec.cluster:
        joins["cluster"] = spec.cluster
    if spec.bootstrap:
        joins["bootstrap"] = [spec.bootstrap, spec.bootstrap_fingerprint]
    options = {"options": [list(pair) for pair in spec.driver_options]} if spec.driver_options else {}
    split = {"gpu_parts": spec.gpu_parts} if spec.gpu_parts > 1 else {}
    return {
        **sold,
        **joins,
        **options,
        **split,
        "allocatable": spec.allocatable.stored(),
        "slots": spec.slots,
        "price": spec.price_pico_per_hour,
        "labels": [list(pair) for pair in spec.labels],
        "taints": [[taint.key, taint.value, taint.effect.value] for taint in spec.taints],
        "reason": spec.reason,
    }


def _plain_membership(membership: Membership) -> dict[str, object]:
    """By what it can, not by name alone: a worker keeps what it was made with."""
    return {each.name: getattr(membership, each.name) for each in fields(Membership)}
