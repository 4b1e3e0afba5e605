"""The numbers that a server gives next, all together. Called by recovery, and when a store turns out to be older than what it meets."""

from herder.engine.memory.state import EngineState
from herder.model.stored.incarnation import Numbers


def take_numbers(state: EngineState, following: Numbers) -> None:
    state.next_job, state.next_batch = following.jobs, following.batches
    state.next_event, state.next_plan = following.events, following.plans


def numbers_of(state: EngineState) -> Numbers:
    return Numbers(
        jobs=state.next_job, batches=state.next_batch, events=state.next_event, plans=state.next_plan
    )
