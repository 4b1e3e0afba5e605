"""Mutants of attempts: fences, reports, hand-over to workers, repeated submissions, quotas of users."""

from typing import Any

from herder.simulate.chaos.faults.kinds import NETWORK_FAULTS, Fault
from tests.mutants.guards.machines import slow_removals
from tests.mutants.guards.planner import hasty
from tests.mutants.mutant import NO_FAULTS, Look, Mutant, answers_later, replaced


def _any_number(ended: Any) -> Any:
    def unfenced(state: Any, changes: Any, worker: Any, ending: Any, result: Any, now_ms: int) -> Any:
        live = worker.live.get(ending.job)
        if live is not None:
            ending.attempt = live.number
        return ended(state, changes, worker, ending, result, now_ms)

    return unfenced


def _any_nonce(_activated: Any) -> Any:
    from herder.engine.workers import worker as life

    def activated(
        state: Any, changes: Any, worker: Any, token_hash: str, nonce: str, now_ms: int, _version: str = ""
    ) -> bool:
        worker.activation_nonce, worker.token_hash = nonce, token_hash
        if worker.state.in_flight:
            life.becomes_ready(state, changes, worker, now_ms)
        return True

    return activated


def _any_report(take_in: Any) -> Any:
    def believes_old_ones(state: Any, changes: Any, worker: Any, **report: Any) -> None:
        worker.exchange_number = min(worker.exchange_number, report["number"] - 1)
        take_in(state, changes, worker, **report)

    return believes_old_ones


def _told_once(gather: Any) -> Any:
    def without_repeats(state: Any, worker: Any) -> Any:
        number, attempts, cancels = gather(state, worker)
        for attempt in attempts:
            worker.unacked.pop(attempt.job, None)
        return number, attempts, cancels

    return without_repeats


def _as_if_durable(function: Any) -> Any:
    def early(state: Any, worker: Any) -> Any:
        durable, state.durable = state.durable, 2**62
        try:
            return function(state, worker)
        finally:
            state.durable = durable

    return early


def _not_waited_for(commit: Any) -> Any:
    def answered_at_once(core: Any, changes: Any) -> Any:
        import asyncio

        commit(core, changes).add_done_callback(lambda done: done.cancelled() or done.exception())
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    return answered_at_once


def _revives(seen: Any) -> Any:
    from herder.model.fleet.worker import WorkerState

    def brings_back(state: Any, changes: Any, worker: Any, now_ms: int) -> None:
        seen(state, changes, worker, now_ms)
        if worker.state is WorkerState.TERMINATING and not worker.sick:
            worker.state = WorkerState.READY
            state.dirty_workers[worker.spec.name] = worker

    return brings_back


_UNHEARD = (Fault.ANSWER_LOST, Fault.ACTS_LATE)
_LOUD = Look(odds={"network": 0.15})

ATTEMPTS = (
    Mutant(
        guard="number of an attempt in its report",
        removes="The report of an older attempt counts as that of the attempt that is live.",
        rules=("a failure was seen", "a success was done"),
        replaced=(replaced("herder.engine.attempts.attempt:ended", _any_number),),
        look=Look(odds={"network": 0.3}, intensity=3.0, jobs_per_day=8_000),
    ),
    Mutant(
        guard="nonce of an activation",
        removes="An activation token may be used a second time, by a machine that was booted twice.",
        rules=("an attempt begins once", "no attempt is given up that its agent has"),
        replaced=(replaced("herder.engine.workers.worker:activated", _any_nonce),),
        look=Look(odds={"boot_twice": 0.8}),
    ),
    Mutant(
        guard="number of an exchange",
        removes="What an older report says of a worker is believed after a newer one.",
        rules=("no attempt is given up that its agent has",),
        replaced=(replaced("herder.engine.workers.exchange:take_in", _any_report),),
        look=Look(odds={"network": 0.3}, intensity=3.0, jobs_per_day=4_000),
    ),
    Mutant(
        guard="attempts told until they are confirmed",
        removes="An attempt is told to its worker once, whether the answer arrives or not.",
        rules=("no attempt is given up that its agent has",),
        replaced=(replaced("herder.engine.workers.exchange:gather", _told_once),),
        look=_LOUD,
    ),
    Mutant(
        guard="hand-over before durability",
        removes="Workers are told of attempts that are not durable yet.",
        rules=("no attempt begins before its row is durable",),
        replaced=(
            replaced("herder.engine.workers.exchange:gather", _as_if_durable),
            replaced("herder.engine.workers.exchange:has_news", _as_if_durable),
        ),
        look=Look(odds={**NO_FAULTS, "store_slow": 0.3}, jobs_per_day=6_000),
    ),
    Mutant(
        guard="answers wait for the commit",
        removes="Calls are answered before what they changed is durable.",
        rules=(
            "nothing accepted is lost",
            "a machine has its row first",
            "no attempt begins before its row is durable",
        ),
        replaced=(replaced("herder.control.kernel.core:Core.commit", _not_waited_for),),
        look=Look(odds={"store_slow": 0.3}),
    ),
    Mutant(
        guard="end that an agent remembers",
        removes="An agent that is told again of an attempt that has ended there begins it again.",
        rules=("an attempt begins once",),
        replaced=(
            replaced("herder.agent.attempts.outbox:Outbox.knows_end_of", lambda _: lambda *_args: False),
        ),
        look=Look(odds={"server_crash": 0.02, "network": 0.1}, intensity=3.0, jobs_per_day=10_000),
    ),
    Mutant(
        guard="keys of requests",
        removes="A repeated submission is taken for a new one.",
        rules=("nothing is accepted twice", "a record becomes one job"),
        replaced=(
            answers_later("herder.control.access.idempotency:Requests.find", lambda: None),
            replaced(
                "herder.control.access.idempotency:Requests.keep", lambda _: lambda *_args, **_named: None
            ),
        ),
        look=Look(days=0.01, jobs_per_day=4_000, odds={"people": 0.3}),
    ),
    Mutant(
        guard="quotas of users",
        removes="Jobs start whatever their user has in use.",
        rules=("quotas are respected",),
        replaced=(
            replaced(
                "herder.scheduler.quota_usage:QuotaUsage.capped",
                lambda _: lambda _self, _state, _waiting, pending, *_more: list(pending),
            ),
        ),
        look=Look(jobs_per_day=6_000, intensity=5.0, workers=20),
    ),
    Mutant(
        guard="attempts of a worker that ends",
        removes="A worker ends without its attempts being lost and tried elsewhere.",
        rules=("memory is consistent", "rows are consistent", "each accepted job ends"),
        replaced=(replaced("herder.engine.workers.worker:lose", lambda _: lambda *_args, **_named: None),),
    ),
    Mutant(
        guard="class of the next attempt",
        removes="A job that ran out of memory is tried again in the class that it had.",
        rules=("after out of memory there is more",),
        replaced=(replaced("herder.engine.attempts.attempt:adapt", lambda _: lambda *_args: True),),
    ),
    Mutant(
        guard="only silent workers are revived",
        removes="Any worker that is heard of counts as ready, whatever was decided.",
        rules=("a terminating worker does not return",),
        replaced=(replaced("herder.engine.workers.worker:seen", _revives),),
        look=Look(
            odds={**NO_FAULTS, "network": 1.0},
            without=frozenset(f"network {each.value}" for each in NETWORK_FAULTS if each not in _UNHEARD),
            jobs_per_day=6_000,
            fleet=lambda fleet: hasty(slow_removals(fleet)),
        ),
    ),
)
