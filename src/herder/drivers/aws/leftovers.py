"""Volumes of ours that no instance has: what is left when an instance has ended without its disk. Called by `driver`.

A disk goes with its instance, unless people have changed that. Listings look for such volumes rarely, and show one only when it was without an instance for a
while; the sweep then deletes what no worker row knows.
"""

import logging
from collections.abc import Collection

from herder.drivers.aws.api import Api
from herder.drivers.aws.instances import INSTALLATION_TAG, WORKER_TAG, facts_in
from herder.drivers.aws.xml import Json
from herder.model.fleet.driver import DriverClock, DriverError, Machine, NotFound, Phase, Unauthorised
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause

_LOG = logging.getLogger(__name__)
#: Between two looks.
LOOK_MS = 300_000
#: A volume without an instance counts as left over after this time.
LEFT_MS = 600_000


class Leftovers:
    def __init__(self, api: Api, installation: str, clock: DriverClock) -> None:
        self._api, self._installation, self._clock = api, installation, clock
        self._looked_ms: int | None = None
        self._since_ms: dict[WorkerName, tuple[int, str]] = {}
        """By worker: since when, and the id of a volume."""
        self._failing = False

    def found(self, known: Collection[WorkerName]) -> list[Machine]:
        """`known`: workers that have an instance. Only for a complete listing."""
        now_ms = self._clock.monotonic_ms()
        if self._looked_ms is None or now_ms - self._looked_ms >= LOOK_MS:
            self._look(now_ms)
        self._since_ms = {name: each for name, each in self._since_ms.items() if name not in known}
        return [
            _left(worker, ident, Phase.FAILED)
            for worker, (at_ms, ident) in sorted(self._since_ms.items())
            if now_ms - at_ms >= LEFT_MS
        ]

    def remove(self, worker: WorkerName) -> Machine | None:
        """Deletes what is left of `worker`; None: nothing is, or it cannot be seen."""
        left = None
        try:
            rows = self._api.free_volumes({INSTALLATION_TAG: self._installation, WORKER_TAG: worker})
            for row in rows:
                if self._worker(row) == worker:
                    ident = str(row["volumeId"])
                    self._delete(ident)
                    left = left or _left(worker, ident, Phase.STOPPING)
        except (
            Unauthorised
        ) as error:  # a worker whose instance is gone is gone; its disk waits for the permission
            self._warn(error)
            return None
        if left is None:
            self._since_ms.pop(worker, None)
        return left

    def _delete(self, ident: str) -> None:
        try:
            self._api.delete_volume(ident)
        except NotFound:
            return  # somebody was faster

    def _look(self, now_ms: int) -> None:
        try:
            rows = self._api.free_volumes({INSTALLATION_TAG: self._installation})
        except DriverError as error:
            self._warn(error)
            self._looked_ms = None  # looked at again with the next listing
            return
        self._failing = False
        self._looked_ms, before, self._since_ms = now_ms, self._since_ms, {}
        for row in rows:
            worker = self._worker(row)
            if worker:
                since_ms = before[worker][0] if worker in before else now_ms
                self._since_ms[worker] = (since_ms, str(row["volumeId"]))

    def _warn(self, error: DriverError) -> None:
        if not self._failing:
            _LOG.warning("Volumes without an instance cannot be removed: %s.", clause(error))
        self._failing = True

    def _worker(self, row: Json) -> WorkerName:
        facts = facts_in(row, self._installation)
        return WorkerName(facts.worker if facts is not None else "")


def _left(worker: WorkerName, ident: str, phase: Phase) -> Machine:
    return Machine(
        worker=worker,
        handle=ident,
        phase=phase,
        operation="delete" if phase is Phase.STOPPING else "",
        detail="Its disk is left over; it has no instance.",
    )
