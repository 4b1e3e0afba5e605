"""How well what was paid for was used: the metrics of Cortex' cost tracking that follow from lines of the ledger, with their targets.

What cannot be known from the lines is not guessed: a metric without its figures is unknown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from herder.ledger.lines import COST, Kind, Line
from herder.reports.documents import Cell, Column, Form, Table, tenths

_CACHE_READ, _INPUT = "tokens.cache_read", "tokens.input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Of a period, as the store has them."""

    ended_jobs: int
    work_pico: int
    """What machines cost while jobs had asked for them."""
    retried_pico: int
    """What attempts cost that did not succeed: failed, lost, preempted."""
    preempted: int
    """Attempts on spot workers that were lost, preempted or drained."""
    preempted_pico: int
    """What they cost: work that was lost."""


@dataclass(slots=True)
class Figures:
    days: dict[int, int] = field(default_factory=dict)
    """Cost by day, pico-USD."""
    kinds: dict[Kind, int] = field(default_factory=dict)
    """Cost of machines by kind, pico-USD."""
    tokens: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "Figures":
        made = cls()
        for line in lines:
            if line.card != COST:
                continue
            if line.resource.startswith("tokens."):
                made.tokens[line.resource] = made.tokens.get(line.resource, 0) + line.quantity
            pico = line.pico or 0
            made.days[line.day_ms] = made.days.get(line.day_ms, 0) + pico
            if line.kind is not Kind.METERED:
                made.kinds[line.kind] = made.kinds.get(line.kind, 0) + pico
        return made

    def cache_hit(self) -> int | None:
        """Tenths of a percent of the input tokens that came from the cache."""
        read = self.tokens.get(_CACHE_READ, 0)
        return tenths(read, read + self.tokens.get(_INPUT, 0))

    def waste(self) -> int | None:
        """Tenths of a percent of what machines cost that was idle or overhead."""
        machines = sum(self.kinds.values())
        return tenths(machines - self.kinds.get(Kind.WORKLOAD, 0), machines)

    def requested(self) -> int | None:
        waste = self.waste()
        return None if waste is None else 1000 - waste

    def peak_hundredths(self, days: int) -> int | None:
        """The dearest day by the average one, in hundredths. Days without cost count as days."""
        total = sum(self.days.values())
        return None if total <= 0 else round(100 * max(self.days.values()) * days / total)


def table(lines: Sequence[Line], days: int, attempts: Attempts | None) -> Table:
    found = Figures.of(lines)
    tokens = sum(found.tokens.values())
    per_job = (
        None
        if attempts is None or not attempts.ended_jobs or not tokens
        else round(tokens / attempts.ended_jobs)
    )
    retries = None if attempts is None else tenths(attempts.retried_pico, attempts.work_pico)
    peak = found.peak_hundredths(days)
    rows: list[tuple[Cell, ...]] = [
        ("tokens per job", _count(per_job), "under 1,000", _judged(per_job, lambda value: value < 1000)),
        ("cache hits", _percent(found.cache_hit()), "over 60 %", _judged(found.cache_hit(), lambda value: value > 600)),
        ("retry overhead", _percent(retries), "under 5 %", _judged(retries, lambda value: value < 50)),
        ("machine cost requested by jobs", _percent(found.requested()), "60 to 80 %", _judged(found.requested(), lambda value: 600 <= value <= 800)),
        ("idle and overhead (waste)", _percent(found.waste()), "under 20 %", _judged(found.waste(), lambda value: value < 200)),
        ("peak to average day", None if peak is None else f"{peak / 100:.2f}", "under 2", _judged(peak, lambda value: value < 200)),
    ]  # fmt: skip
    return Table(
        key="efficiency",
        title="Efficiency",
        columns=(Column("metric"), Column("value", Form.NUMBER), Column("target"), Column("state")),
        rows=rows,
        note="Targets are those of Cortex' cost tracking. Tokens per job are all reported tokens by the jobs that ended here, also tokens that were used outside of jobs.",
    )


def preemptions(attempts: Attempts, lines: Iterable[Line]) -> Table:
    """What spot machines cost beside their price: work that was lost, and machines that booted."""
    boots = sum(
        line.pico or 0
        for line in lines
        if line.card == COST and line.kind is Kind.OVERHEAD and line.place.market == "spot"
    )
    return Table(
        key="preemptions",
        title="Cost of spot preemptions",
        columns=(Column("what"), Column("attempts", Form.COUNT), Column("cost", Form.MONEY)),
        rows=[
            ("work that was lost", attempts.preempted, attempts.preempted_pico),
            ("boots of spot machines", None, boots),
        ],
        total=("total", None, attempts.preempted_pico + boots),
        note="Attempts on spot workers that were lost, preempted or drained; every boot of a spot machine counts, not only those after a preemption.",
    )


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _percent(value: int | None) -> str | None:
    return None if value is None else f"{value / 10:.1f} %"


def _judged(value: int | None, good: Callable[[int], bool]) -> str:
    if value is None:
        return "unknown"
    return "on target" if good(value) else "off target"
