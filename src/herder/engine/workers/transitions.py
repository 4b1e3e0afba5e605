"""Which states a worker can have after which, and through what: the state machine as data.

Nothing in the engine asks it. `tests/engine/test_transitions.py` calls every function that changes a state in every state and finds
exactly these transitions; the simulated world and the documentation read it. A function that changes the state of a worker belongs into
this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.model.fleet.worker import WorkerState

_S = WorkerState
_IN_FLIGHT = (_S.REQUESTED, _S.PROVISIONING, _S.JOINING)
_JOINED = (_S.READY, _S.UNHEALTHY, _S.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    event: str
    """Its name in tests and on the page."""
    text: str
    """What happens, as a sentence."""
    moves: Mapping[WorkerState, tuple[WorkerState, ...]]
    """From each state in which the event changes the state: what it may become at once."""


#: The state of a new row.
FIRST = _S.REQUESTED

TRANSITIONS = (
    Transition(
        event="called",
        text="The driver is about to be called; the intent is stored before the call.",
        moves={_S.REQUESTED: (_S.PROVISIONING,)},
    ),
    Transition(
        event="created",
        text="The driver reports that the machine runs, or a machine that exists was adopted. A worker without an agent is ready at once.",
        moves={_S.PROVISIONING: (_S.JOINING, _S.READY)},
    ),
    Transition(
        event="activated",
        text="The agent activates with the one-time token of the worker. It may be faster than the driver's answer.",
        moves={_S.PROVISIONING: (_S.READY,), _S.JOINING: (_S.READY,)},
    ),
    Transition(
        event="node is ready",
        text="The node of the worker is marked, ready and schedulable, and shows its GPUs.",
        moves={_S.JOINING: (_S.READY,)},
    ),
    Transition(
        event="creation failed",
        text="The driver refuses the creation, and nothing was created.",
        moves=dict.fromkeys(_IN_FLIGHT, (_S.FAILED,)),
    ),
    Transition(
        event="creation broke",
        text="The creation failed, and parts may be left: the driver deletes the machine.",
        moves=dict.fromkeys(_IN_FLIGHT, (_S.TERMINATING,)),
    ),
    Transition(
        event="sick",
        text=(
            "The worker is silent for two heartbeats, loses its connection, has a condition that keeps work away, fails 3 attempts in a row, "
            "is repaired or is kept for inspection."
        ),
        moves={_S.READY: (_S.UNHEALTHY,)},
    ),
    Transition(
        event="well",
        text="The worker is heard from again and no condition keeps work away, or it gets a test attempt, or an attempt succeeds on it.",
        moves={_S.UNHEALTHY: (_S.READY,)},
    ),
    Transition(
        event="removal",
        text=(
            "The planner, a person, the TTL or the repair ladder ends the worker. It drains while attempts run; without attempts, and before it "
            "has joined, it terminates at once."
        ),
        moves={
            **dict.fromkeys(_IN_FLIGHT, (_S.TERMINATING,)),
            _S.READY: (_S.DRAINING, _S.TERMINATING),
            _S.UNHEALTHY: (_S.DRAINING, _S.TERMINATING),
        },
    ),
    Transition(
        event="taken back",
        text="A person takes the drain back with `herder worker uncordon`.",
        moves={_S.DRAINING: (_S.READY, _S.UNHEALTHY)},
    ),
    Transition(
        event="drained",
        text="The last attempt of the drain has ended, or its deadline has passed.",
        moves={_S.DRAINING: (_S.TERMINATING,)},
    ),
    Transition(
        event="ended at once",
        text=(
            "The boot exceeds `boot_timeout`, the worker is silent for `dead_after`, its machine no longer exists, its agent leaves, or a person "
            "uses `--force`. Attempts that run are retried on other workers."
        ),
        moves=dict.fromkeys((*_IN_FLIGHT, *_JOINED), (_S.TERMINATING,)),
    ),
    Transition(
        event="machine gone",
        text="The driver reports that the machine no longer exists. Until then the worker counts and costs.",
        moves={_S.TERMINATING: (_S.TERMINATED,)},
    ),
    Transition(
        event="forgotten",
        text="A person gives up the workers of a driver that was removed from `herder.yaml`: `herder driver forget`.",
        moves=dict.fromkeys((*_IN_FLIGHT, *_JOINED, _S.TERMINATING), (_S.FAILED,)),
    ),
)


def _closure() -> Mapping[WorkerState, frozenset[WorkerState]]:
    direct: dict[WorkerState, set[WorkerState]] = {state: set() for state in WorkerState}
    for transition in TRANSITIONS:
        for before, after in transition.moves.items():
            direct[before].update(after)
    later = {}
    for state in WorkerState:
        found, open_ = {state}, [state]
        while open_:
            for each in direct[open_.pop()] - found:
                found.add(each)
                open_.append(each)
        later[state] = frozenset(found)
    return later


#: What a worker can be later, over any number of transitions: one commit may hold several. Its own state is among them.
LATER = _closure()
