"""Classes by the age of their oldest job. Used by `queue_index.py` only; it must never change a queue.

A queue that is served gets younger at its head, and nobody says so here: an entry may be older than its queue, never younger, and is put
right when it comes first.
"""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace

from herder.engine.memory.state import EngineState
from herder.model.ids import ClassId


@dataclass(slots=True)
class Heads:
    _rows: list[tuple[int, ClassId]] = field(default_factory=list)
    """When the oldest job of each class became ready, or earlier; a heap."""

    def add(self, ready_at_ms: int, class_id: ClassId) -> None:
        heappush(self._rows, (ready_at_ms, class_id))

    def oldest(self, state: EngineState, before_ms: int, most: int, classes: int) -> list[ClassId]:
        """Up to so many classes with a job that became ready before that, the oldest first. `classes`: how many wait."""
        heads = self._rows
        found: list[tuple[int, ClassId]] = []
        while heads and heads[0][0] <= before_ms and len(found) < most:
            ready_at_ms, class_id = heads[0]
            queue = state.queues.get(class_id)
            if queue is None or not queue.count:
                heappop(heads)
            elif queue.oldest_ready_at_ms > ready_at_ms:
                heapreplace(heads, (queue.oldest_ready_at_ms, class_id))
            else:
                found.append(heappop(heads))
        for head in found:
            heappush(heads, head)
        if len(heads) > 4 * classes + 1000:
            self._rows = list({_put_right(state, head) for head in heads if head[1] in state.queues})
            heapify(self._rows)
        return list(dict.fromkeys(class_id for _, class_id in found))


def _put_right(state: EngineState, head: tuple[int, ClassId]) -> tuple[int, ClassId]:
    """As it will be once it comes first."""
    queue = state.queues[head[1]]
    return (max(head[0], queue.oldest_ready_at_ms), head[1]) if queue.count else head
