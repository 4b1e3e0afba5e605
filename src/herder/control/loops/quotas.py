"""The quotas loop: asks each driver that reports it what its provider has left, sells and charges. One task for each driver.

It decides nothing: what was reported is noted with its time, for the checklist of a dry run and for whoever looks. A call that fails leaves what was
reported before, with its age and the reason. Templates with `prices: provider` get what is reported; of the others, one that costs something else is told in an event.
"""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import Any

from herder.control.drivers import calling
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import Reported
from herder.control.pools.provider_prices import compare_prices
from herder.control.recovery.supervision import supervise
from herder.model.fleet.driver import DriverError, RateLimited
from herder.model.fleet.driver_capabilities import (
    Network,
    Networks,
    OfferedShape,
    Offers,
    Price,
    Prices,
    Quota,
    Quotas,
)
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

#: The longest between two questions to a driver that does not answer.
PAUSE_LONGEST_S = 300.0
#: Method, capability, and what the method lists. The method is also the field of `DriverNotes`.
_ASKED: tuple[tuple[str, type, type], ...] = (
    ("quotas", Quotas, Quota),
    ("networks", Networks, Network),
    ("offers", Offers, OfferedShape),
    ("prices", Prices, Price),
)


async def run(core: Core) -> None:
    able = tuple(capability for _, capability, _ in _ASKED)
    names = [name for name, driver in core.drivers.items() if isinstance(driver, able)]
    if not names or not core.settings.quotas_period_s:
        await asyncio.Event().wait()
    async with asyncio.TaskGroup() as drivers:
        for name in names:
            drivers.create_task(supervise(core, f"quotas of {name}", partial(_ask, name=name)))


async def _ask(core: Core, name: str) -> None:
    pause_s = period_s = core.settings.quotas_period_s
    while True:
        wait_s = await look(core, name)
        if wait_s is None:
            pause_s = period_s
        else:
            pause_s = min(max(pause_s * 2, wait_s), max(PAUSE_LONGEST_S, period_s))
        await asyncio.sleep(pause_s)


async def look(core: Core, name: str) -> float | None:
    """Once. None: it has answered; otherwise how long it wants to be left alone, in seconds."""
    driver, notes, wait_s = core.drivers[name], calling.notes_of(core, name), None
    for method, capability, kind in _ASKED:
        if not isinstance(driver, capability) or not calling.may_be_called(core, name):
            continue
        asked_ms, before = core.clock.now_ms(), getattr(notes, method)
        try:
            reported: Reported[Any] = Reported(
                values=await calling.read(core, name, method, kind), at_ms=asked_ms
            )
        except DriverError as error:
            if not before.problem:
                log.warning("Driver %s does not report its %s: %s.", name, method, clause(error))
            reported = replace(before, problem=clause(error))
            wait_s = max(wait_s or 0.0, error.retry_after_s if isinstance(error, RateLimited) else 0.0)
        setattr(notes, method, reported)
    await compare_prices(core, name, core.clock.now_ms())
    return wait_s
