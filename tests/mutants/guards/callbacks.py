"""Mutants of the messages about ended batches."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, answers_later, replaced

LOOK = Look(jobs_per_day=6_000, days=0.04)


def _after_the_commit(_call_back: Any) -> Any:
    """The row is not in the commit of the end, but left to whoever thinks of it later."""
    return lambda changes, batch, now_ms: None


def _group_after_the_commit(_call_back_group: Any) -> Any:
    return lambda changes, batch, group, now_ms: None


def _given_up(_pause_ms: Any) -> Any:
    return lambda tries: 10**15


def _with_time(message: Any) -> Any:
    def made(*, body: str, sent_at_s: int, **more: Any) -> Any:
        return message(body=body + " " * (sent_at_s % 97), sent_at_s=sent_at_s, **more)

    return made


CALLBACKS = (
    Mutant(
        guard="words of a message",
        removes="A message that comes again ends in blanks, of another number.",
        rules=("a message comes again in the same words",),
        look=Look(jobs_per_day=6_000, days=0.04, odds={"people": 0.3}),
        replaced=(replaced("herder.control.loops.callbacks:Message", _with_time),),
    ),
    Mutant(
        guard="event of a message that is given up",
        removes="Nobody is told that a message was given up.",
        rules=("a message that is given up is recorded",),
        look=LOOK,
        replaced=(answers_later("herder.control.loops.callbacks:_Posting._tell", lambda: None),),
    ),
    Mutant(
        guard="message in the commit of the end",
        removes="The end of a batch is committed without its message.",
        rules=("the end of a batch is announced",),
        look=LOOK,
        replaced=(replaced("herder.engine.jobs.callbacks:call_back", _after_the_commit),),
    ),
    Mutant(
        guard="message in the commit of the end of a group",
        removes="The end of a job group is committed without its message.",
        rules=("the end of a job group is announced",),
        look=LOOK,
        replaced=(replaced("herder.engine.jobs.callbacks:call_back_group", _group_after_the_commit),),
    ),
    Mutant(
        guard="a message is tried again",
        removes="A message that did not arrive is given up after its first try.",
        rules=("the end of a batch is announced", "the end of a job group is announced"),
        look=Look(jobs_per_day=6_000, days=0.04, odds={"people": 0.3}),
        replaced=(replaced("herder.model.work.callbacks:pause_ms", _given_up),),
    ),
)
