"""Which workers have inputs of jobs of a class in their cache, as they said when such jobs ended there.

Told by `engine/attempts/attempt.py`, read by placement and by people. In memory only, and out of date whenever a cache has lost something
since: whoever goes by it loses a download at most, so nothing may depend on it.
"""

from collections import OrderedDict
from collections.abc import Mapping

from herder.model.ids import ClassId, WorkerName

#: Classes that are remembered, and workers of each; of both the newest.
CLASSES_MAX = 1_000
WORKERS_MAX = 100
_NOWHERE: Mapping[WorkerName, int] = {}


class CachedInputs:
    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: OrderedDict[ClassId, OrderedDict[WorkerName, int]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._places)

    def note(self, class_id: ClassId, worker: WorkerName, size: int) -> None:
        """A job of the class has ended there, and so many bytes of its inputs are in the cache."""
        places = self._places.setdefault(class_id, OrderedDict())
        places.pop(worker, None)
        if size:
            places[worker] = size
            if len(places) > WORKERS_MAX:
                places.popitem(last=False)
        self._places.move_to_end(class_id)
        if not places:
            del self._places[class_id]
        elif len(self._places) > CLASSES_MAX:
            self._places.popitem(last=False)

    def of(self, class_id: ClassId) -> Mapping[WorkerName, int]:
        """Bytes by worker, those that were noted first first. Some of the workers may be gone."""
        return self._places.get(class_id, _NOWHERE)
