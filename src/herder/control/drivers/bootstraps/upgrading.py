"""What the engine needs to upgrade machines in place, and who is behind. Called by `control/loops/bootstraps.py` and by reads.

It upgrades nothing: that is a rung of the repair ladder (`engine/workers/repairs/upgrades.py`).
"""

from collections.abc import Sequence

from herder.control.kernel.bootstrap_notes import BootstrapNotes
from herder.control.kernel.core import Core
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.repair import Rung
from herder.model.values.phrases import agree, counted, listed
from herder.settings.openings import openings

#: Between two looks at the calendar. An opening is told beforehand, so none is missed.
CALENDAR_S = 30.0
#: Workers that a check names.
NAMED_MOST = 10


def look_at_windows(core: Core) -> None:
    """Of the pools whose machines are upgraded in place."""
    lives, now_ms = core.state.bootstraps, core.clock.now_ms()
    core.state.openings = {
        pool.name: openings(pool, now_ms)
        for pool in core.state.pools.values()
        if pool.bootstrap in lives and Rung.UPGRADE in lives[pool.bootstrap].rungs
    }


def versions(core: Core, name: str) -> Sequence[Check]:
    """Which workers of this bootstrap run another version than it wants. Being behind is no failure; nothing is told where it wants none."""
    wanted = core.bootstraps[name].version
    workers = [each.spec.name for each in core.state.workers.values() if each.spec.bootstrap == name]
    if not wanted or not workers:
        return ()
    systems = (core.bootstrap_notes.get(name) or BootstrapNotes()).systems
    known = {
        each: note.seen.version
        for each in workers
        if (note := systems.get(each)) is not None and note.seen is not None and note.seen.version
    }
    behind = [f"{each} ({version})" for each, version in sorted(known.items()) if version != wanted]
    unknown = len(workers) - len(known)
    parts = [
        f"{counted(len(behind), 'worker')} of {len(workers)} {agree(len(behind), 'runs', 'run')} another version than {wanted}"
    ]
    if behind:
        more = [f"{len(behind) - NAMED_MOST} more"] if len(behind) > NAMED_MOST else []
        parts[0] += f": {listed([*behind[:NAMED_MOST], *more], 'and')}"
    if unknown:
        parts.append(f"The version of {counted(unknown, 'worker')} is not known")
    return (Check(name="Versions", passed=True, detail=". ".join(parts) + "."),)
