"""A server that is told to stop at the very moment at which something happens stops all the same."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from herder.control.clock import SystemClock
from herder.control.loops import scale


async def test_a_scale_loop_that_is_cancelled_as_the_demand_changes_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cycles = 0

    async def cycle(core: Any, last_report: bytes) -> bytes:
        nonlocal cycles
        cycles += 1
        return last_report

    monkeypatch.setattr(scale, "cycle", cycle)
    settings = SimpleNamespace(scale_period_s=60.0, scale_settle_s=0.01)
    placer = SimpleNamespace(planned=lambda state, now_ms: None)
    core: Any = SimpleNamespace(
        demand_changed=asyncio.Event(), settings=settings, placer=placer, state=None, clock=SystemClock()
    )
    loop = asyncio.create_task(scale.run(core))
    await asyncio.sleep(0.01)
    core.demand_changed.set()
    await asyncio.sleep(0)  # the waiter is awake, and what awaits it is not yet
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=1)
    loop.cancel()  # whatever becomes of this test, it ends
    assert done, "it runs on"
    assert loop.cancelled()
    assert cycles == 1
