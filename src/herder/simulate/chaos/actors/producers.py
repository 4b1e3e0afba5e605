"""Programs outside of Herder that put records on a queue, in the form that Mimir documents: good ones, bad ones, and the same ones again."""

from typing import Any

import msgspec

from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.simulate.chaos.faults.chance import Chance
from herder.simulate.chaos.ports.intake import PlayedQueue

#: The intake of the world. Its user is one of the people.
INTAKE = IntakeSettings(name="mimir", url="redis://queue.world", user="dan", lease_s=60.0)
#: Types of jobs of the records, see `SHARING`.
TYPES = ("pipeline_execution", "ml_inference")
#: Share of records that can never be a job, and of records that are pushed again under the same name.
BAD, AGAIN = 0.1, 0.1
_BAD: tuple[bytes | None, ...] = (None, b"{", b"[]", b'{"type": "no such type"}', b'{"type": 7}')


class Producers:
    def __init__(self, queue: PlayedQueue) -> None:
        self._queue = queue
        self.good: list[str] = []
        """Names of records of which each is to be one job."""
        self.bad: list[str] = []

    def push(self, draw: Chance) -> None:
        """One record."""
        if self.good and draw.random() < AGAIN:
            record = draw.choice(self.good[-20:])
            self._queue.push(record, None, draw.random())
        elif draw.random() < BAD:
            self.bad.append(f"bad-{len(self.bad) + 1}")
            self._queue.push(self.bad[-1], draw.choice(_BAD), draw.random())
        else:
            record = f"record-{len(self.good) + 1}"
            self.good.append(record)
            self._queue.push(record, msgspec.json.encode(_record(record, draw)), draw.random())

    def all_ended(self) -> bool:
        """Each record is a job whose end was written back, or was refused."""
        queue = self._queue
        return not (queue.queue or queue.leases or queue.followed)


def _record(name: str, draw: Chance) -> dict[str, Any]:
    return {
        "job_id": name,
        "type": draw.choice(TYPES),
        "status": "queued",
        "project_id": "plant",
        "task_spec": {"pipeline_id": "sensors", "parameters": {"rows": draw.randint(1, 9)}},
        "resource_requirements": {"cpu": draw.choice(("250m", "1")), "memory": "256Mi"},
    }
