"""What the core asks of a queue outside of Herder from which jobs come (`intakes:` in herder.yaml).

A record is claimed under a lease, becomes a job, and is acknowledged. Until then it is claimed again when its lease is over, so a crash
between any two steps loses nothing; that it becomes one job only is the server's affair. Every method raises IntakeDown when the queue
cannot be reached, and may then have been carried out or not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: A record of more bytes is refused, and only so much of it is read.
RECORD_MOST_BYTES = 2**20


class IntakeDown(Exception):
    """The queue cannot be reached, or refuses the connection; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The status of a record's job, as it is written back. `data`: the record with it; None: the record is gone."""

    record: str
    status: str
    data: bytes | None
    final: bool
    """The job has ended: nothing will be written back again."""


class IntakeQueue(Protocol):
    async def claim(self, lease_s: float, most: int) -> list[str]:
        """The names of up to so many records, those first whose lease is over, then the most urgent. They are leased from now on."""
        ...

    async def read(self, records: Sequence[str]) -> list[bytes | None]:
        """The data of each; None: there is none any more. Of one that is too long the first `RECORD_MOST_BYTES + 1` bytes."""
        ...

    async def acknowledge(self, record: str, job: int, told: Told) -> None:
        """The record is a job now: its lease ends, and it is followed until `tell` has said its end. All or nothing. Nothing happens when it
        has no lease any more: the call comes late, and the record is somebody else's affair."""
        ...

    async def refuse(self, record: str, reason: str) -> None:
        """The record can never be a job: its lease ends, and it is kept apart with the reason. All or nothing, and late as `acknowledge`."""
        ...

    async def followed(self) -> Mapping[str, int]:
        """The job of each record that was acknowledged and whose end was not told. What is no number of a job is removed."""
        ...

    async def tell(self, told: Sequence[Told]) -> None: ...

    async def waiting(self) -> int:
        """Records that nobody has claimed."""
        ...

    async def close(self) -> None: ...


#: Of the settings of one intake. Raises IntakeDown.
OpensIntake = Callable[[Any], IntakeQueue]
