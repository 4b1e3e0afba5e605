"""`Dice` decides the fault of each call: what a test has ordered for the next calls, otherwise by the odds, as long as `trouble` is true.

Excluded kinds (`without`) are drawn but do not happen, so the rest of the run stays similar.
"""

from collections import Counter, deque
from collections.abc import Collection

from herder.simulate.chaos.faults.chance import Chance, stream
from herder.simulate.chaos.faults.kinds import Fault, Trouble

#: The newest faults that are kept in `met`.
MET_MOST = 10_000


class Dice:
    """All random decisions of the world."""

    def __init__(self, seed: int, odds: Trouble, without: Collection[str] = ()) -> None:
        self.seed, self.odds, self.without = seed, odds, frozenset(without)
        self.trouble = True
        self.ordered: dict[str, deque[Fault]] = {}
        """By name of the call (`create`, `commit`, `/exchange`, `POST /jobs` …): the faults of the next calls."""
        self.met: deque[tuple[str, Fault]] = deque(maxlen=MET_MOST)
        """The newest faults of calls."""
        self.counts: Counter[str] = Counter()
        """Number of faults by kind."""
        self._streams: dict[str, Chance] = {}

    def of(self, purpose: str) -> Chance:
        found = self._streams.get(purpose)
        if found is None:
            found = self._streams[purpose] = stream(self.seed, purpose)
        return found

    @property
    def draw(self) -> Chance:
        """The stream for all other purposes."""
        return self.of("")

    def order(self, what: str, *faults: Fault) -> None:
        self.ordered.setdefault(what, deque()).extend(faults)

    def fault(self, port: str, what: str, odds: float, possible: tuple[Fault, ...]) -> Fault:
        """The fault of one call of `what` at `port`."""
        waiting = self.ordered.get(what)
        if waiting:
            found = waiting.popleft()
        elif self.trouble and odds:
            draw = self.of(port)
            if draw.random() >= odds:
                return Fault.NONE
            found = draw.choice(possible)
            if f"{port} {found.value}" in self.without:
                return Fault.NONE
        else:
            return Fault.NONE
        if found is not Fault.NONE:
            self.met.append((what, found))
            self.counts[f"{port} {found.value}"] += 1
        return found

    def happens(self, what: str, odds: float) -> bool:
        """Whether a mishap happens now. It is counted."""
        if not (self.trouble and odds > 0 and self.of(what).random() < odds) or what in self.without:
            return False
        return self.count(what)

    def count(self, what: str) -> bool:
        """Count a fault of kind `what`; always true."""
        self.counts[what] += 1
        return True
