"""The traces loop: exports the traces of jobs that have ended, a bounded number in a second, to the collector.

It ends at once where traces are off. A collector that does not answer costs traces, never jobs: each batch is tried a few times with
growing pauses, and what finds no place in the queue meanwhile is dropped and counted.
"""

import asyncio
import logging
from functools import partial

from herder.control.jobs.traced import Traced, traced
from herder.control.kernel.core import Core
from herder.control.kernel.trace_queue import TraceQueue
from herder.model.values.phrases import counted
from herder.ports.traces import TraceExporter

log = logging.getLogger(__name__)

LOOK_S = 1.0
PAUSE_LONGEST_S = 30.0
#: About 3 minutes: a collector that refuses a batch for good must not hold up the next ones for ever.
TRIES_MAX = 10


async def run(core: Core) -> None:
    queue = core.tallies.traces
    if queue is None:
        return
    exporter = queue.open_exporter()
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            if jobs := queue.first():
                query = partial(traced, installation=core.settings.installation, jobs=jobs)
                await _export(queue, exporter, len(jobs), await core.read(query))
    finally:
        exporter.close()


async def _export(queue: TraceQueue, exporter: TraceExporter, jobs: int, found: Traced) -> None:
    pause, trouble = LOOK_S, ""
    for tried in range(1, TRIES_MAX + 1):
        last, trouble = trouble, ""
        if found.spans:
            trouble = await exporter.export(found.spans)
        if not trouble:
            if last:
                log.warning("The collector of traces answers again.")
            queue.done(jobs, exported=found.traces, dropped=found.missing)
            return
        if trouble != last:
            log.warning("The collector of traces does not take them: %s Herder tries again.", trouble)
        if tried < TRIES_MAX:
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_LONGEST_S)
    log.warning(
        "%s dropped after %s: %s",
        f"{counted(found.traces, 'trace')} {'was' if found.traces == 1 else 'were'}",
        counted(TRIES_MAX, "try"),
        trouble,
    )
    queue.done(jobs, exported=0, dropped=found.traces + found.missing)
