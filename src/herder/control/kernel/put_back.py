"""A store that was put back to an earlier state: takes numbers beyond the forgotten time, records that and tells it.

Called at opening, when the data folder remembers more than the store, and by the sweep, when it meets a machine that only a later state
of the store can have made. `model/stored/incarnation.py` has the rules.
"""

from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.engine.memory.forgotten_time import numbers_of, take_numbers
from herder.engine.memory.state import EngineState
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import SALTS, Numbers, Seen, put_back
from herder.store.rows.incarnation import PUT_BACK, incarnation_record


def tell_put_back(state: EngineState, changes: Changes, now_ms: int) -> None:
    """`state.incarnation` is new: its numbers are in force from here on."""
    take_numbers(state, numbers_of(state).at_least(state.incarnation.next))
    changes.put(incarnation_record(state.incarnation))
    record_event(state, changes, now_ms, PUT_BACK, "store/incarnation", state.incarnation.why)


async def met_a_later_plan(core: Core, plan: int, what: str) -> None:
    """A machine of a plan that this store has not made: it has forgotten that time. Durable when this returns."""
    with core.change(Changes()) as changes:
        state, now_ms = core.state, core.clock.now_ms()
        state.incarnation = put_back(
            state.incarnation,
            numbers_of(state),
            taken_at_ms=state.remembered_ms,
            now_ms=now_ms,
            why=(
                f"{what}, but this store has made no plan {plan:,} yet. The store is older than that machine: it was restored, or it is the "
                "wrong one. Unknown machines are kept until you decide: `herder admin sweep`."
            ),
            salt=now_ms % SALTS,
            seen=Seen(numbers=Numbers(plans=plan + 1)),
        )
        tell_put_back(state, changes, now_ms)
    await core.commit(changes)
