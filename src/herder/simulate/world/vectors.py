"""Resource vectors as single integers, so that "does it fit" is one subtraction, and the dimensions that count.

Used by the world and by every policy's inner loop. Each dimension is a field of `FIELD_BITS` bits whose top bit is a guard:
room on a worker is kept with all guards set, and taking a request away clears a guard exactly where it does not fit. A
request must never be packed with a guard set; `Dimensions` refuses amounts that large.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from herder.model.values.resources import AMOUNT_MAX, ZERO, Resources
from herder.model.values.vectors import least_of

FIELD_BITS = 48
#: What a template has of a dimension that it does not limit: more than any sum of requests, and below the guard.
UNLIMITED = 1 << (FIELD_BITS - 2)
NAMES = ("cpu_milli", "memory_mib", "disk_mib", "gpu_milli")


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Which of `Resources`' fields count in this simulation: those that some template limits and some job asks for.

    In the simulator the fourth field holds thousandths of a GPU, because traces ask for parts of one.
    """

    indexes: tuple[int, ...]

    @property
    def guards(self) -> int:
        return sum(1 << (place * FIELD_BITS + FIELD_BITS - 1) for place in range(len(self.indexes)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(NAMES[index] for index in self.indexes)

    def request(self, amounts: Resources) -> int:
        """What a job asks for, packed."""
        return sum(
            _checked(amounts[index]) << (place * FIELD_BITS) for place, index in enumerate(self.indexes)
        )

    def room(self, amounts: Sequence[int | None]) -> int:
        """What a worker offers, packed and with guards set; None where it sets no limit."""
        return self.guards | sum(
            (UNLIMITED if amounts[index] is None else _checked(amounts[index] or 0)) << (place * FIELD_BITS)
            for place, index in enumerate(self.indexes)
        )

    def unpack(self, packed: int) -> tuple[int, ...]:
        """The amounts, in the order of `indexes`; guards are dropped."""
        mask = (1 << (FIELD_BITS - 1)) - 1
        return tuple(packed >> (place * FIELD_BITS) & mask for place in range(len(self.indexes)))

    def least(self, requests: Iterable[Resources]) -> int:
        """The smallest amount of each dimension over all requests, packed: a worker without room for it is full."""
        asked = list(requests)
        return self.request(least_of(asked) if asked else ZERO)


def _checked(amount: int) -> int:
    if not 0 <= amount <= AMOUNT_MAX:
        raise ValueError(f"{amount} is not an amount of a resource: it must be between 0 and {AMOUNT_MAX}.")
    return amount


def counted(limited: Iterable[Sequence[int | None]], asked: Iterable[Resources]) -> Dimensions:
    """The dimensions that matter; CPU when none does, so that workers have a size at all."""
    limits, requests = list(limited), list(asked)
    indexes = tuple(
        index
        for index in range(len(NAMES))
        if any(each[index] is not None for each in limits) and any(each[index] > 0 for each in requests)
    )
    return Dimensions(indexes or (0,))
