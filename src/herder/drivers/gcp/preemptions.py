"""Which spot VMs Google is taking back: read from its operations. Called by `driver`.

Google gives a spot VM 30 s from the signal to its end, and records the signal as an operation of the zone. The agent on the VM hears of it as well, from the metadata
server; whoever is first counts.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from herder.drivers.gcp.api import Api, Json
from herder.drivers.gcp.errors import NoSuchZone
from herder.model.fleet.driver import DriverContext, NotFound, Unavailable
from herder.model.fleet.driver_capabilities import Interruption
from herder.model.ids import WorkerName

NOTICE_S = 30.0
#: Operations that are older have no VM any more.
LATE_S = 300.0


class Preemptions:
    def __init__(self, api: Api, zones: Sequence[str], context: DriverContext) -> None:
        self._api, self._zones, self._context = api, zones, context

    def announced(self) -> Sequence[Interruption]:
        """Raises the DriverError of a zone that does not answer only where no other one announces anything: a notice cannot wait."""
        found, failure = list[Interruption](), None
        for zone in self._zones:
            try:
                found += self._announced(zone)
            except (Unavailable, NoSuchZone) as error:
                failure = error
        if failure is not None and not found:
            raise failure
        return found

    def _announced(self, zone: str) -> Iterator[Interruption]:
        for operation in self._api.preemptions(zone):
            left_s = NOTICE_S - self._age_s(operation)
            worker = self._worker(zone, operation) if left_s > -LATE_S else None
            if worker is not None:
                yield Interruption(worker=worker, left_s=max(0.0, left_s))

    def _age_s(self, operation: Json) -> float:
        """By the clock of this server: one that is wrong makes the notice shorter or longer, never negative."""
        try:
            began = datetime.fromisoformat(str(operation.get("insertTime", "")))
        except ValueError:
            return 0.0
        return max(0.0, self._context.clock.now_ms() / 1000 - began.timestamp())

    def _worker(self, zone: str, operation: Json) -> WorkerName | None:
        name = str(operation.get("targetLink", "")).rpartition("/")[2]
        try:
            instance = self._api.instance(zone, name)
        except NotFound:
            return None
        facts = instance.facts(self._context.installation)
        same = str(operation.get("targetId", "")) in ("", instance.id)
        return WorkerName(facts.worker) if facts is not None and same else None
