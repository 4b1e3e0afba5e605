"""What a provider has left, as its driver reported it last, and how many workers fit. Calls no provider.

In the names and units of the provider. Called for the checklist of a dry run (`capacity.py`) and for the list of offers.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, Reported
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import Need, Needs, Network, Quota, Quotas
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.values.phrases import clause
from herder.model.values.times import span

log = logging.getLogger(__name__)

#: Ten questions without an answer: by then others may have taken what was left.
STALE_MS = 600_000

Left = dict[str, dict[str, int]]
"""By zone and name of a quota; zone "" counts everywhere."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one worker takes of which quotas, and where: workers that are alike are counted together."""

    amounts: tuple[tuple[str, int], ...]
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    driver: str
    why: str = ""
    """Why nothing is known, as a clause; empty: the rest holds."""
    as_of_ms: int = 0
    left: Left
    """Without what `coming` takes."""
    coming: int = 0
    """Workers that were requested since."""

    def unreported(self, needs: Sequence[Need]) -> str:
        """Why it is not known whether they fit, as a clause; empty: it is. A zone that lacks a quota which others have takes none."""
        reported = {name for zone in self.left.values() for name in zone}
        missing = sorted({name for need in needs for name in need.quotas} - reported)
        if missing:
            return f"driver {self.driver} does not report {' and '.join(missing)}"
        if not all(any(need.quotas.values()) for need in needs):
            return f"driver {self.driver} does not report what a worker takes of its quotas"
        return ""

    def fit(self, needs: Sequence[Need]) -> int:
        """How many of them."""
        return _fitting({zone: dict(each) for zone, each in self.left.items()}, _alike(needs))

    def most(self, need: Need) -> int:
        """How many that are alike."""
        alike = dict.fromkeys(_alike([need]), sys.maxsize)
        return _fitting({zone: dict(each) for zone, each in self.left.items()}, alike)


def capacity_of(core: Core, driver: str, now_ms: int) -> Capacity:
    if not isinstance(core.drivers.get(driver), Quotas):
        why = f"driver {driver} reports no quotas, and reserves capacity when it creates a machine"
        return Capacity(driver=driver, why=why, left={})
    quotas = (core.driver_notes.get(driver) or DriverNotes()).quotas
    as_of_ms = _as_of(quotas)
    why = unusable(driver, "quotas", quotas, as_of_ms, now_ms)
    if why or as_of_ms is None:
        return Capacity(driver=driver, why=why, left={})
    left, coming = left_of(quotas.values), _not_counted(core, driver, as_of_ms)
    _fitting(left, _alike(coming))
    return Capacity(driver=driver, as_of_ms=as_of_ms, left=left, coming=len(coming))


def needs_of(core: Core, driver: str, specs: Iterable[WorkerSpec]) -> tuple[list[Need], str]:
    """Of each worker; or why nobody can say, as a clause."""
    able: object = core.drivers.get(driver)
    if not isinstance(able, Needs):
        return [], f"driver {driver} does not report what a worker takes of its quotas"
    try:
        return [able.need(spec) for spec in specs], ""
    except InvalidRequest as error:
        return [], clause(error)
    except Exception as error:
        log.exception("Driver %s failed in need.", driver)
        return [], f"driver {driver} has a bug in need ({type(error).__name__}: {clause(error)})"


def _not_counted(core: Core, driver: str, as_of_ms: int) -> list[Need]:
    """Of workers whose machines the provider could not count yet. Those that the driver would refuse take nothing."""
    return [
        need
        for worker in core.state.workers.values()
        if worker.spec.driver == driver
        and not worker.state.leaving
        and (worker.state is WorkerState.REQUESTED or worker.requested_at_ms >= as_of_ms)
        for need in needs_of(core, driver, [worker.spec])[0]
    ]


def _as_of(reported: Reported[Quota]) -> int | None:
    """Of the oldest."""
    if reported.at_ms is None:
        return None
    return min([reported.at_ms, *(each.as_of_ms for each in reported.values if each.as_of_ms is not None)])


def unusable(
    driver: str, what: str, reported: Reported[Quota] | Reported[Network], as_of_ms: int | None, now_ms: int
) -> str:
    """Why nothing follows from it, as a clause; empty: something does."""
    because = f" ({reported.problem})" if reported.problem else ""
    if as_of_ms is None:
        return f"driver {driver} has not reported its {what} yet{because}"
    if now_ms - as_of_ms > STALE_MS:
        return f"the {what} that driver {driver} reported last are {span(now_ms - as_of_ms)} old{because}"
    return "" if reported.values else f"driver {driver} reports no {what}"


def left_of(quotas: Iterable[Quota]) -> Left:
    """The tightest, where one name comes twice."""
    found: Left = {}
    for each in quotas:
        zone, left = found.setdefault(each.zone, {}), each.limit - each.used
        zone[each.name] = min(left, zone.get(each.name, left))
    return found


def _alike(needs: Iterable[Need]) -> Counter[_Taken]:
    return Counter(_Taken(tuple(sorted(need.quotas.items())), need.zones) for need in needs)


def _fitting(left: Left, alike: Mapping[_Taken, int]) -> int:
    """How many fit, in order; what they take is taken off `left`."""
    fit, overall = 0, left.get("", {})
    for taken, wanted in alike.items():
        rest = wanted
        for zone in taken.zones or sorted(left):
            places = (left.get(zone, {}), overall) if zone else (overall,)
            held = [
                (place, name, amount) for name, amount in taken.amounts for place in places if name in place
            ]
            if {name for _, name, _ in held} != {name for name, _ in taken.amounts}:
                continue  # nobody has reported anything of that quota here
            rooms = [max(0, place[name]) // amount for place, name, amount in held if amount > 0]
            some = min([rest, *rooms])
            for place, name, amount in held:
                place[name] -= some * amount
            fit, rest = fit + some, rest - some
    return fit
