"""`Dice` decides what becomes of each call: first what a test has ordered for one of the next, else by the odds, as long as there is
trouble.

Kinds that are left out (`without`) are drawn and do not happen: the rest of the run stays as near to the original as it can.
"""

from collections import Counter, deque
from collections.abc import Collection

from herder.simulate.chaos.faults.chance import Chance, stream
from herder.simulate.chaos.faults.kinds import Fault, Trouble

#: Faults that are remembered one by one.
MET_MOST = 10_000


class Dice:
    """All chance of the world."""

    def __init__(self, seed: int, odds: Trouble, without: Collection[str] = ()) -> None:
        self.seed, self.odds, self.without = seed, odds, frozenset(without)
        self.trouble = True
        self.ordered: dict[str, deque[Fault]] = {}
        """By what is called (`create`, `commit`, `/exchange`, `POST /jobs` …): what becomes of the next ones."""
        self.met: deque[tuple[str, Fault]] = deque(maxlen=MET_MOST)
        """Faults of calls that have happened, the newest."""
        self.counts: Counter[str] = Counter()
        """By name: what went wrong so far."""
        self._streams: dict[str, Chance] = {}

    def of(self, purpose: str) -> Chance:
        found = self._streams.get(purpose)
        if found is None:
            found = self._streams[purpose] = stream(self.seed, purpose)
        return found

    @property
    def draw(self) -> Chance:
        """For what needs no stream of its own."""
        return self.of("")

    def order(self, what: str, *faults: Fault) -> None:
        self.ordered.setdefault(what, deque()).extend(faults)

    def fault(self, port: str, what: str, odds: float, possible: tuple[Fault, ...]) -> Fault:
        """What becomes of one call of `what` at `port`."""
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
        """Whether a mishap strikes now; counted when it does."""
        if not (self.trouble and odds > 0 and self.of(what).random() < odds) or what in self.without:
            return False
        return self.count(what)

    def count(self, what: str) -> bool:
        """It has happened."""
        self.counts[what] += 1
        return True
