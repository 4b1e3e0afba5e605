"""Which spot instances AWS is taking back: read from the requests for them. Called by `driver`.

AWS marks a request two minutes before it ends the instance. The agent on the instance hears of it as well, from the metadata service; whoever is first counts.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from herder.drivers.aws.api import Api
from herder.drivers.aws.instances import facts_in
from herder.drivers.aws.xml import Json, part
from herder.model.fleet.driver import DriverContext, NotFound
from herder.model.fleet.driver_capabilities import Interruption
from herder.model.ids import WorkerName

NOTICE_S = 120.0


class Interruptions:
    """`known`: the ids of instances, by worker, also of those whose tags were removed."""

    def __init__(self, api: Api, context: DriverContext, known: Callable[[], dict[WorkerName, str]]) -> None:
        self._api, self._context, self._known = api, context, known

    def announced(self) -> Sequence[Interruption]:
        rows = self._api.interrupted()
        known = self._known() if rows else {}
        workers = {ident: worker for worker, ident in known.items()}
        found = []
        for row in rows:
            ident = str(row.get("instanceId", ""))
            worker = workers.get(ident) or self._worker(ident)
            if worker is not None and known.get(worker, ident) == ident:
                found.append(Interruption(worker=worker, left_s=max(0.0, NOTICE_S - self._age_s(row))))
        return found

    def _age_s(self, row: Json) -> float:
        """By the clock of this server: one that is wrong makes the notice shorter or longer, never negative."""
        try:
            marked = datetime.fromisoformat(str(part(row, "status").get("updateTime", "")))
        except ValueError:
            return 0.0
        return max(0.0, self._context.clock.now_ms() / 1000 - marked.timestamp())

    def _worker(self, ident: str) -> WorkerName | None:
        """None: it is an instance of others, or it has just ended."""
        try:
            instance = self._api.instance(ident)
        except NotFound:
            return None
        facts = facts_in(instance, self._context.installation) if instance is not None else None
        return WorkerName(facts.worker) if facts is not None else None
