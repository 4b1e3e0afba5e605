"""Bugs of drivers and bootstraps as events: one that is broken is asked again and again, and its bug is reported once a minute.

Called by the two calling modules (`control/drivers/calling.py`, `control/drivers/bootstraps/calling.py`).
"""

from typing import Protocol

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import LastError
from herder.engine.memory.events import record_event
from herder.model.fleet.driver import DriverError
from herder.model.stored.changes import Changes

#: The same bug is reported again after this long.
FAULT_AGAIN_MS = 60_000
_SHORT_MAX = 300


class Notes(Protocol):
    last_error: LastError | None
    fault_told: tuple[str, int] | None


def note(core: Core, notes: Notes, verb: str, worker: str, error: DriverError) -> None:
    notes.last_error = LastError(
        at_ms=core.clock.now_ms(), verb=verb, worker=worker, text=short(error) or type(error).__name__
    )


def report(core: Core, notes: Notes, kind: str, subject: str, text: str) -> None:
    now = core.clock.monotonic_ms()
    if notes.fault_told is None or notes.fault_told[0] != text or now - notes.fault_told[1] >= FAULT_AGAIN_MS:
        notes.fault_told = (text, now)
        changes = Changes()
        record_event(core.state, changes, core.clock.now_ms(), kind, subject, text)
        core.gather(changes)
        core.settle()


def short(what: object) -> str:
    """Foreign text in a sentence of ours: one line, and bounded."""
    text = " ".join((str(what) if isinstance(what, BaseException) else repr(what)).split()).rstrip(".")
    return text if len(text) <= _SHORT_MAX else text[: _SHORT_MAX - 1] + "…"
