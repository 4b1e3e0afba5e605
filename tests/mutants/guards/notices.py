"""Mutants of interruption notices: hearing of them, the cordon, the end that attempts are told, and the drain within what is left."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, answers, answers_later, replaced

_NOTICES = "herder.engine.workers.notices"
_ACTED_UPON = "a notice is acted upon"


def _not_from_agents(announced: Any) -> Any:
    from herder.model.fleet.notice import NoticeSource

    def from_drivers(state: Any, changes: Any, worker: Any, left_ms: int, source: Any, now_ms: int) -> None:
        if source is not NoticeSource.AGENT:
            announced(state, changes, worker, left_ms, source, now_ms)

    return from_drivers


def _noted_only(_first: Any) -> Any:
    from herder.engine.workers import notices

    def first(state: Any, changes: Any, worker: Any, left_ms: int, _source: Any, now_ms: int) -> None:
        text = f"The provider takes the machine of {worker.spec.name} back in {left_ms} ms."
        notices._tell(state, changes, worker, text, now_ms)

    return first


def _excused(_until_ms: Any) -> Any:
    return lambda worker: None if worker.drain is None else worker.drain.deadline_ms + worker.excused_ms


_CALM = {"server_crash": 0.0, "server_stop": 0.0, "crash_at_effect": 0.0, "second_leader": 0.0}
_ANNOUNCED = Look(odds={**_CALM, "interruption_announced": 0.02}, intensity=3.0, jobs_per_day=4_000)

NOTICES = (
    Mutant(
        guard="notices of agents",
        removes="What agents report of the end of their machines is passed over.",
        rules=(_ACTED_UPON,),
        replaced=(replaced(f"{_NOTICES}:announced", _not_from_agents),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="notices of drivers",
        removes="No driver is asked which machines its provider takes back.",
        rules=(_ACTED_UPON,),
        replaced=(answers_later("herder.control.loops.interruptions:look", lambda: None),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="notices are told at once",
        removes="An agent that hears of the end of its machine says so with its next heartbeat.",
        rules=(_ACTED_UPON,),
        replaced=(answers("herder.agent.protocol.exchange:Exchange.wake", lambda: None),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="cordon by a notice",
        removes="A worker whose machine is taken back gets work as before.",
        rules=(_ACTED_UPON, "a worker with a notice gets no work", "memory is consistent"),
        replaced=(replaced(f"{_NOTICES}:_first", _noted_only),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="end told to attempts",
        removes="Attempts are not told when their machine is taken back.",
        rules=("attempts know the end of their machine",),
        replaced=(answers("herder.agent.attempts.attempts:Attempts.tell_deadline", lambda: None),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="end told to agents",
        removes="The server tells no agent until when its attempts may run, so only those hear it whose machine says so.",
        rules=("attempts know the end of their machine",),
        replaced=(answers("herder.control.workers.exchange:_deadline_ms", lambda: None),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="drain within a notice",
        removes="A drain after a notice has the time that the pool gives every drain.",
        rules=("attempts end with their notice", "attempts know the end of their machine"),
        replaced=(answers(f"{_NOTICES}:_runs_s", lambda: 300.0),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="time of a notice",
        removes="A notice ends the attempts of its worker at once.",
        rules=("attempts have the time of a notice",),
        replaced=(answers(f"{_NOTICES}:_runs_s", lambda: 0.0),),
        look=_ANNOUNCED,
    ),
    Mutant(
        guard="notices do not wait for the server",
        removes="The time in which the server was away is added to that of a notice.",
        rules=("attempts end with their notice",),
        replaced=(replaced("herder.engine.workers.draining.drain_texts:until_ms", _excused),),
        look=Look(
            odds={"interruption_announced": 0.02, "server_crash": 0.004, "server_stop": 0.002}, intensity=1.0
        ),
    ),
)
