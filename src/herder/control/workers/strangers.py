"""The answer to an agent whose token belongs to no worker: the call is counted, reported as an event, and refused.

After a restore, until a person has decided about unknown machines, such an agent is told to try again instead. It keeps its attempts
running and activates again when its machine is adopted.
"""

from herder.control.kernel.bounds.errors import NotReady, Refused, Unauthenticated
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import hash_token
from herder.engine.memory.events import record_event
from herder.model.fleet.driver import JOINED
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted


def refusal(core: Core, token: str, text: str, hint: str) -> Unauthenticated:
    """Of an exchange, and of whatever else shows a worker's token."""
    _note(core, token)
    return Unauthenticated(text, hint=hint)


def activation_refusal(core: Core, token: str, text: str, hint: str) -> Refused:
    """Of an activation: one that may be adopted waits."""
    _note(core, token)
    if token and undecided(core):
        return NotReady(
            "The store was restored, and it is not decided yet whether this worker is adopted or removed.",
            hint="Try again. Run `herder admin sweep` on the server to decide.",
        )
    return Unauthenticated(text, hint=hint)


def undecided(core: Core) -> bool:
    """Whether an agent that no row knows may be of a time that the store has forgotten."""
    if not core.state.incarnation.number:
        return False
    notes = [core.driver_notes.get(name) for name in core.drivers if name != JOINED]
    return any(each is None or each.listed_at_ms is None or each.undecided for each in notes)


def _note(core: Core, token: str) -> None:
    if not token:
        return
    strangers, now_ms = core.unknown_agents, core.clock.monotonic_ms()
    if not strangers.note(hash_token(token), now_ms):
        return
    count = strangers.staying(now_ms)
    text = (
        f"{counted(count, 'agent')} {agree(count, 'calls', 'call')} again and again with a token that belongs to no worker. "
        f"{agree(count, 'It gets', 'They get')} no work. Stop the {agree(count, 'agent', 'agents')} on the machine, or run "
        "`herder admin sweep`."
    )
    changes = Changes()
    record_event(core.state, changes, core.clock.now_ms(), "worker.unknown_agent", "server/agents", text)
    core.gather(changes)
    core.settle()
