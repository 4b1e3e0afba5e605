"""Network cards, addresses and disks of ours that no VM uses: what is left when a VM was removed without them, or was never made. Called by `driver`.

They go with their VM, unless people have changed that, or a creation broke in the middle. Listings look for them rarely, and show one only when it was
without a VM for a while; the sweep then deletes what no worker row knows.
"""

import logging
from collections.abc import Collection

from herder.drivers.azure.api import ADDRESSES, CARDS, KINDS, OS_DISKS, Api, Kind
from herder.drivers.azure.bodies import Names, names_of
from herder.drivers.azure.resources import Part, facts_of_tags, handle_of
from herder.model.fleet.driver import DriverClock, DriverError, Machine, NotFound, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause

_LOG = logging.getLogger(__name__)
#: Between two looks.
LOOK_MS = 300_000
#: A part without a VM counts as left over after this time: it exists before its VM does.
LEFT_MS = 600_000


class Leftovers:
    def __init__(self, api: Api, installation: str, clock: DriverClock) -> None:
        self._api, self._installation, self._clock = api, installation, clock
        self._looked_ms: int | None = None
        self._since_ms: dict[WorkerName, tuple[int, Kind, Part]] = {}
        self._failing = False

    def found(self, known: Collection[WorkerName]) -> list[Machine]:
        """`known`: workers whose VM exists. Only for a complete listing."""
        now_ms = self._clock.monotonic_ms()
        if self._looked_ms is None or now_ms - self._looked_ms >= LOOK_MS:
            self._look(now_ms)
        self._since_ms = {name: each for name, each in self._since_ms.items() if name not in known}
        return [
            _left(worker, kind, part, Phase.FAILED)
            for worker, (at_ms, kind, part) in sorted(self._since_ms.items())
            if now_ms - at_ms >= LEFT_MS
        ]

    def remove(self, worker: WorkerName) -> Machine | None:
        """Begins to delete what is left of `worker`, asked for by name; None: nothing is. One whose VM is just being deleted has to wait. What
        cannot be deleted keeps nothing else from it."""
        names = names_of(self._installation, worker)
        left: Machine | None = None
        failure: DriverError | None = None
        for kind in KINDS:
            try:
                part = self._api.part(kind, _name(names, kind))
            except NotFound:
                continue
            facts = facts_of_tags(part.tags, self._installation)
            others = bool(part.user) and not _is_of(part.user, names)  # people have given it to another VM
            if others or (facts is not None and facts.worker != worker):
                continue
            left = left or _left(worker, kind, part, Phase.STOPPING)
            try:
                if not part.user:
                    self._delete(kind, part)
            except DriverError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if left is None:
            self._since_ms.pop(worker, None)
        return left

    def _delete(self, kind: Kind, part: Part) -> None:
        try:
            self._api.delete_part(kind, part.name)
        except NotFound:
            return  # somebody was faster
        except Unavailable as error:
            # Azure reserves a card for the VM that could not be made, for minutes. It is asked again with the next look.
            _LOG.debug("%s %s stays for now: %s", kind.words, part.name, error)

    def _look(self, now_ms: int) -> None:
        try:
            rows = [(kind, part) for kind in KINDS for part in self._api.parts(kind)]
        except DriverError as error:
            if not self._failing:
                _LOG.warning("Parts without a VM cannot be looked for: %s.", clause(error))
            self._failing = True
            self._looked_ms = None  # looked at again with the next listing
            return
        self._failing = False
        self._looked_ms, before, self._since_ms = now_ms, self._since_ms, {}
        for kind, part in rows:
            facts = facts_of_tags(part.tags, self._installation)
            if facts is None or part.user:
                continue
            worker = WorkerName(facts.worker)
            # A disk that was copied carries the tags of its model.
            if _name(names_of(self._installation, worker), kind) == part.name:
                since_ms = before[worker][0] if worker in before else now_ms
                self._since_ms.setdefault(worker, (since_ms, kind, part))


def _is_of(user: str, names: Names) -> bool:
    """Whether the id is of the VM, or of something in its network card. Azure writes ids in letters of any case."""
    return not {names.vm, names.card}.isdisjoint(user.lower().split("/"))


def _name(names: Names, kind: Kind) -> str:
    return {CARDS: names.card, ADDRESSES: names.address, OS_DISKS: names.disk}[kind]


def _left(worker: WorkerName, kind: Kind, part: Part, phase: Phase) -> Machine:
    return Machine(
        worker=worker,
        handle=handle_of(part.location, part.name),
        phase=phase,
        operation="delete" if phase is Phase.STOPPING else "",
        detail=f"Its {kind.words} is left over; it has no VM.",
    )
