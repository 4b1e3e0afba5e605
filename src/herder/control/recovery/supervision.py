"""Keeps the loops running: a failed loop is logged, recorded as an event, and started again after a growing delay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause
from herder.ports.store import StoreDown

log = logging.getLogger(__name__)

PAUSE_S = 0.5
PAUSE_LONGEST_S = 30.0
#: A loop that ran for so long was sound: when it fails after all, the pause begins anew.
SOUND_S = 60.0


async def supervise(core: Core, name: str, loop: Callable[[Core], Awaitable[None]]) -> None:
    """Runs until cancelled."""
    pause = PAUSE_S
    while True:
        began_ms = core.clock.monotonic_ms()
        try:
            await loop(core)
            return
        except asyncio.CancelledError:
            raise
        except StoreDown as error:  # it passes, or the server ends; the store tells people
            log.warning("The %s loop waits for the store: %s", name, error)
        except Exception as error:
            if core.clock.monotonic_ms() - began_ms >= SOUND_S * 1000:
                pause = PAUSE_S
            log.exception("The %s loop failed and is restarted in %.1f s.", name, pause)
            changes = Changes()
            text = f"The {name} loop failed and is restarted: {type(error).__name__}: {clause(error)}."
            record_event(core.state, changes, core.clock.now_ms(), "loop.failed", f"loop/{name}", text)
            await core.commit(changes)
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_LONGEST_S)
