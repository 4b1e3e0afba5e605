"""Mutants of the messages about ended batches."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, replaced

LOOK = Look(jobs_per_day=6_000, days=0.04)


def _after_the_commit(_call_back: Any) -> Any:
    """The row is not in the commit of the end, but left to whoever thinks of it later."""
    return lambda changes, batch, now_ms: None


def _given_up(_pause_ms: Any) -> Any:
    return lambda tries: 10**15


CALLBACKS = (
    Mutant(
        guard="message in the commit of the end",
        removes="The end of a batch is committed without its message.",
        rules=("the end of a batch is announced",),
        look=LOOK,
        replaced=(replaced("herder.engine.jobs.callbacks:call_back", _after_the_commit),),
    ),
    Mutant(
        guard="a message is tried again",
        removes="A message that did not arrive is given up after its first try.",
        rules=("the end of a batch is announced",),
        look=LOOK,
        replaced=(replaced("herder.model.work.callbacks:pause_ms", _given_up),),
    ),
)
