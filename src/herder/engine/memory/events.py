"""Records an event: one fact for people. Called by the other modules of this package and by `control/`."""

import json

from herder.engine.memory.state import EngineState
from herder.model.planning.plan import Reason
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord


def record_event(
    state: EngineState,
    changes: Changes,
    now_ms: int,
    kind: str,
    subject: str,
    text: str,
    *,
    actor: str = "herder",
    data: dict[str, object] | None = None,
    owner: str = "",
    project: str = "",
) -> int:
    """Append an event and answer its sequence number. `kind` is `noun.verb`, `subject` is `noun/name`.

    `owner`: whose it is, of what is not for everybody's eyes: jobs, batches, users, tokens.
    """
    sequence = state.next_event
    state.next_event += 1
    changes.put(
        EventRecord(
            sequence,
            now_ms,
            kind,
            subject,
            actor,
            text,
            json.dumps(data or {}, separators=(",", ":")),
            owner,
            project,
        )
    )
    return sequence


def reason_data(reason: Reason | None) -> dict[str, object]:
    if reason is None:
        return {}
    return {"kind": str(reason.kind), "text": reason.text, "evidence": dict(reason.evidence)}
