"""An intake ends with its server, whatever its library makes of a cancellation."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from herder.control.loops import intakes
from herder.ports.intake import IntakeDown
from herder.settings.sections.jobs.intakes import IntakeSettings


class Deaf:
    """Answers the first cancellation with an error of its own, as if its time had run out."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def followed(self) -> dict[str, int]:
        self.asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise IntakeDown("Redis did not answer in time.") from None
        return {}

    async def close(self) -> None:
        return


async def test_a_cancellation_that_is_swallowed_ends_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Deaf()
    core: Any = SimpleNamespace(
        settings=SimpleNamespace(intakes=(IntakeSettings(name="mimir"),)), intake_notes={}, open_intake=None
    )
    monkeypatch.setattr(intakes, "open_queue", lambda _settings: queue)
    monkeypatch.setattr(intakes, "_paused", lambda *_: None)
    running = asyncio.create_task(intakes.run(core))
    await queue.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 20)
