"""The table of resources, and exact amounts of them in requests and workers. Integers only, in base units.

`Dimensions` is the one table: a name for each place of a vector, its unit, how it is read and shown, whether quotas count it.
Four are built in; a server declares more in herder.yaml, and they are fixed from its start on. `Resources` is a vector over
them: a tuple, so that packing and placement need no conversion, whose class knows its table. Vectors of four places serve every
server that declares nothing; those of a server that does are longer, and made by its table. Arithmetic is in `vectors`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal, InvalidOperation, Overflow
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from herder.model.values.vectors import Vector, Wide, new_vector, pairs

_QUANTITY = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$")
_BYTES = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "MB": 10**6,
    "G": 10**9,
    "GB": 10**9,
    "T": 10**12,
    "TB": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "MiB": 2**20,
    "Gi": 2**30,
    "GiB": 2**30,
    "Ti": 2**40,
    "TiB": 2**40,
}
_MIB = 2**20
#: Above this an amount is a slip: a billion cores, an exbibyte. Keeps sums of many far within 64 bits.
AMOUNT_MAX = 10**12
#: Dimensions that one server may declare: each costs a little in every packing.
DECLARED_MAX = 16
_DECLARED_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._/-]{0,98}[a-z0-9])?")


class Unit(StrEnum):
    """What an amount counts, and with it how people write it."""

    MILLI = "milli"
    MIB = "mib"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One kind of resource. `name` is used in code, stores and answers, `key` where people write it."""

    name: str
    key: str
    unit: Unit
    noun: str = ""
    """As it is called after an amount."""
    compressible: bool = False
    """Whether who gets less of it than it wants only becomes slower (CPU), and does not fail."""
    quota: bool = True
    """Whether quotas count it."""
    cap: bool = False
    """It bounds what one worker takes (pods on a node) and is no good to be shared: no share of a user is computed from it."""

    def parse(self, text: str | float) -> int:
        """Raises ValueError that says what is wrong."""
        return _PARSE[self.unit](text)

    def text(self, amount: int) -> str:
        """For people, with its unit and noun."""
        return f"{_FORMAT[self.unit](amount)} {self.noun}"

    def plain(self, amount: int) -> Any:
        """As herder.yaml would write it."""
        return _PLAIN[self.unit](amount)


BUILT_IN = (
    Dimension(name="cpu_milli", key="cpu", unit=Unit.MILLI, noun="CPU", compressible=True),
    Dimension(name="memory_mib", key="memory", unit=Unit.MIB, noun="memory"),
    Dimension(name="disk_mib", key="disk", unit=Unit.MIB, noun="disk", quota=False),
    Dimension(name="gpu", key="gpu", unit=Unit.COUNT, noun="GPU"),
)
_BUILT_IN_NAMES = tuple(each.name for each in BUILT_IN)
#: Known by name: what is left open when it is declared.
WELL_KNOWN = {"pods": Dimension(name="pods", key="pods", unit=Unit.COUNT, noun="pods", quota=False, cap=True)}


class _Named(NamedTuple):
    """For its attributes: they read a place of any tuple, faster than a property."""

    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int


class Resources(Vector):
    """CPU in thousandths of a core, memory and disk in MiB, whole GPUs; then what the server declares."""

    __slots__ = ()

    table: ClassVar["Dimensions"]

    def __new__(cls, cpu_milli: int = 0, memory_mib: int = 0, disk_mib: int = 0, gpu: int = 0) -> "Resources":
        """Of four places; longer ones are made by their table."""
        return new_vector(cls, (cpu_milli, memory_mib, disk_mib, gpu))

    cpu_milli = _Named.cpu_milli
    memory_mib = _Named.memory_mib
    disk_mib = _Named.disk_mib
    gpu = _Named.gpu

    def amounts(self) -> dict[str, int]:
        """By name, all of them."""
        return dict(zip(self.table.names, self, strict=True))

    def declared(self) -> dict[str, int]:
        """By name, what the built-in dimensions do not say, where it is not 0."""
        names = self.table.names
        return {names[place]: self[place] for place in range(len(BUILT_IN), len(self)) if self[place]}

    def replaced(self, name: str, amount: int) -> "Resources":
        """The same but for one dimension."""
        place = self.table.names.index(name)
        return new_vector(self.__class__, (*self[:place], amount, *self[place + 1 :]))

    def lacking_in(self, free: "Resources") -> dict[str, int]:
        """By dimension, how much `free` is short of this. Empty when it fits."""
        names = self.table.names if len(self) >= len(free) else free.table.names
        return {
            name: ask - have for name, (ask, have) in zip(names, pairs(self, free), strict=True) if ask > have
        }

    def stored(self) -> list[int] | dict[str, int]:
        """As stores keep it: the four amounts, or by name where something else is asked for or there."""
        if not any(self[len(BUILT_IN) :]):
            return list(self[: len(BUILT_IN)])
        return {name: amount for name, amount in self.amounts().items() if amount}

    def __str__(self) -> str:
        cpu, memory, *rest = (
            (dimension, amount) for dimension, amount in zip(self.table.all, self, strict=True)
        )
        shown = (cpu, memory, *(each for each in rest if each[1]))
        return ", ".join(dimension.text(amount) for dimension, amount in shown)

    def __repr__(self) -> str:
        return f"Resources({', '.join(f'{name}={amount}' for name, amount in self.amounts().items())})"


class _WideResources(Wide, Resources):
    __slots__ = ()

    def largest_part(self, whole: Vector, of: int) -> int:
        """Of goods that are shared; a cap is none."""
        return max(
            (
                amount * of // there
                for dimension, (amount, there) in zip(self.table.all, pairs(self, whole), strict=False)
                if there > 0 and not dimension.cap
            ),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The table of one server. Vectors made by equal tables are of one kind; the order of `declared` is that of their places."""

    declared: tuple[Dimension, ...] = ()
    kind: type[Resources] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = (
            type("Resources", (_WideResources,), {"__slots__": (), "table": self})
            if self.declared
            else Resources
        )
        object.__setattr__(self, "kind", made)

    @property
    def all(self) -> tuple[Dimension, ...]:
        return (*BUILT_IN, *self.declared)

    @property
    def names(self) -> tuple[str, ...]:
        return (*_BUILT_IN_NAMES, *(each.name for each in self.declared))

    def named(self, name: str) -> Dimension:
        """Raises StopIteration for a name that is not in the table."""
        return next(each for each in self.all if each.name == name)

    def vector(self, amounts: Mapping[str, int]) -> Resources:
        """By name; what is not named is 0. Raises KeyError for a name that is not in the table."""
        unknown = amounts.keys() - set(self.names)
        if unknown:
            raise KeyError(min(unknown))
        return new_vector(self.kind, [amounts.get(name, 0) for name in self.names])

    def of(self, amounts: Iterable[int]) -> Resources:
        """By place; places that are not given are 0, as in what was written before more were declared."""
        given = tuple(amounts)
        missing = len(self.names) - len(given)
        if missing < 0:
            raise ValueError(f"{len(given)} amounts where there are {len(self.names)} resources")
        return new_vector(self.kind, given + (0,) * missing)

    def read(self, stored: Any) -> Resources:
        """What `Resources.stored` wrote, and the four amounts that every store had at first."""
        return self.vector(stored) if isinstance(stored, dict) else self.of(stored)


def stored_amounts(stored: Any) -> dict[str, int]:
    """By name, what `Resources.stored` wrote, whatever table it was written by."""
    given = stored if isinstance(stored, dict) else dict(zip(_BUILT_IN_NAMES, stored, strict=True))
    return {**dict.fromkeys(_BUILT_IN_NAMES, 0), **given}


PLAIN = Dimensions()
"""Of a server that declares nothing."""
Resources.table = PLAIN

ZERO = Resources()


def declare(
    name: str,
    unit: Unit | None = None,
    *,
    compressible: bool | None = None,
    quota: bool | None = None,
    cap: bool | None = None,
) -> Dimension:
    """A dimension as people declare it: what they leave open is as for its well-known namesake, or a good that is counted."""
    known = WELL_KNOWN.get(name) or Dimension(name=name, key=name, unit=Unit.COUNT, noun=name)
    return Dimension(
        name=name,
        key=name,
        noun=known.noun,
        unit=known.unit if unit is None else unit,
        compressible=known.compressible if compressible is None else compressible,
        quota=known.quota if quota is None else quota,
        cap=known.cap if cap is None else cap,
    )


def name_fault(name: str) -> str | None:
    """What is wrong with a name for a declared dimension; None when nothing is."""
    if name in {each for built_in in BUILT_IN for each in (built_in.name, built_in.key)} | {"jobs", "slots"}:
        return f"{name} is built in"
    if not _DECLARED_NAME.fullmatch(name):
        return f"{name[:100]!r} cannot be a resource's name: small letters, digits, dots, dashes and slashes, at most 100"
    return None


def parse_cpu(text: str | float) -> int:
    """Cores (`2`, `0.5`, `"500m"`) to milli-cores. Raises ValueError that says what is wrong."""
    raw = str(text).strip()
    try:
        if "_" in raw or not raw.isascii():  # Decimal takes them for digits
            raise InvalidOperation
        milli = Decimal(raw[:-1]) if raw.endswith("m") else Decimal(raw) * 1000
    except (InvalidOperation, Overflow):
        raise ValueError(
            f"{raw!r} is not an amount of CPU; write cores (2, 0.5) or thousandths (500m)"
        ) from None
    if milli.is_finite() and milli > AMOUNT_MAX:
        raise ValueError(f"{raw[:50]!r} is more than the largest possible amount of CPU")
    if not milli.is_finite() or milli < 0 or milli != int(milli):
        raise ValueError(f"{raw!r} is not an amount of CPU; the smallest step is 1m (a thousandth of a core)")
    return int(milli)


def parse_mib(text: str | float) -> int:
    """A size (`512Mi`, `4Gi`, `8GB`, or a bare number of MiB) to whole MiB, rounded up. Raises ValueError."""
    raw = str(text).strip()
    whole = raw.isascii() and raw.isdigit()
    match = _QUANTITY.match(raw)
    if match is None or (not whole and match.group(2) not in _BYTES) or bool(match.group(2)) is whole:
        raise ValueError(f"{raw[:50]!r} is not a size; write a size such as 512Mi, 4Gi or 8GB")
    size = Decimal(match.group(1)) * (_MIB if whole else _BYTES[match.group(2)])
    if size > AMOUNT_MAX * _MIB:
        raise ValueError(f"{raw[:50]!r} is more than the largest possible size")
    # Not `-(-size // _MIB)`: a Decimal's division cuts off towards zero.
    return -(-int(size.to_integral_value(ROUND_CEILING)) // _MIB)


def format_cpu(milli: int) -> str:
    return f"{milli // 1000} CPU" if milli % 1000 == 0 else f"{milli}m CPU"


def format_mib(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib and mib % 1024 == 0 else f"{mib} MiB"


def parse_count(text: str | float) -> int:
    """A whole number of things. Raises ValueError."""
    raw = str(text).strip()
    if not (raw.isascii() and raw.isdigit()) or int(raw[:20]) > AMOUNT_MAX:
        raise ValueError(f"{raw[:50]!r} is not a count; write a whole number such as 2")
    return int(raw)


def plain_cpu(milli: int) -> str:
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def plain_mib(mib: int) -> str:
    return f"{mib // 1024}Gi" if mib and mib % 1024 == 0 else f"{mib}Mi"


def _same(amount: int) -> int:
    return amount


_PARSE: dict[Unit, Callable[[str | float], int]] = {
    Unit.MILLI: parse_cpu,
    Unit.MIB: parse_mib,
    Unit.COUNT: parse_count,
}
_FORMAT: dict[Unit, Callable[[int], str]] = {
    Unit.MILLI: plain_cpu,
    Unit.MIB: format_mib,
    Unit.COUNT: str,
}
_PLAIN: dict[Unit, Callable[[int], Any]] = {Unit.MILLI: plain_cpu, Unit.MIB: plain_mib, Unit.COUNT: _same}
