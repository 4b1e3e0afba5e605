"""The file that tells attempts how long they may run, and the signal that they asked for. Used by the process runtime.

One file for all attempts of a worker, beside their scratch folders: `HERDER_DEADLINE_FILE` names it, and it exists from the notice on.
"""

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from herder.model.values.times import iso
from herder.wire.worker import startup

FILE = "deadline.json"
_SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "QUIT")


def write(folder: Path, left_s: float, now_ms: int) -> None:
    """Whole or not at all. Raises OSError."""
    at_ms = now_ms + int(left_s * 1000)
    draft = folder / f"{FILE}.new"
    draft.write_text(json.dumps({"deadline": iso(at_ms), "deadline_ms": at_ms}) + "\n", encoding="ascii")
    draft.chmod(0o644)  # attempts may run as somebody else
    os.replace(draft, folder / FILE)


def discard(folder: Path) -> None:
    for name in (FILE, f"{FILE}.new"):
        with suppress(OSError):
            (folder / name).unlink()


def signal_asked(environment: Mapping[str, str]) -> int:
    """Zero: none. Raises ValueError."""
    name = environment.get(startup.CHECKPOINT_SIGNAL, "")
    if not name:
        return 0
    short = name.upper().removeprefix("SIG")
    if short not in _SIGNALS:
        raise ValueError(f"{startup.CHECKPOINT_SIGNAL} is {name[:50]!r}; write one of {', '.join(_SIGNALS)}")
    return int(signal.Signals[f"SIG{short}"])
