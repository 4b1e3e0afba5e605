"""Which cores an attempt is bound to: as many as it requested, rounded up, the least used first. Pure bookkeeping.

Binding is a bound from above with whole cores: an attempt that asked for 100m may use one full core while it is idle.
Exact shares need a cgroup (see `cgroup`).
"""


class Cores:
    __slots__ = ("_load_milli",)

    def __init__(self, available: frozenset[int] | set[int]) -> None:
        self._load_milli = dict.fromkeys(sorted(available), 0)

    @property
    def all(self) -> set[int]:
        return set(self._load_milli)

    def take(self, cpu_milli: int) -> tuple[int, ...]:
        """The cores for this attempt; give them back with `release`. Empty when it may use all of them."""
        count = max(1, -(-cpu_milli // 1000))
        if count >= len(self._load_milli):
            return ()
        chosen = tuple(sorted(self._load_milli, key=self._load_milli.__getitem__)[:count])
        for core in chosen:
            self._load_milli[core] += max(1, cpu_milli // count)
        return chosen

    def release(self, chosen: tuple[int, ...], cpu_milli: int) -> None:
        for core in chosen:
            self._load_milli[core] -= max(1, cpu_milli // len(chosen))
