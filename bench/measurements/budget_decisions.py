"""How long one decision under budgets takes: whether the most that a worker can cost next fits into its budget and all above it, reserved, renewed and settled; and the price of what it used."""

import time

from bench.bench import Bench
from bench.figures import Figure, percentile
from bench.ledger.events import scattered
from bench.ledger.filled import rate_record
from herder.ledger.budgets.leases import Lease, Leases
from herder.ledger.budgets.spec import BudgetSpec
from herder.ledger.built_in_cards import INTERNAL, card
from herder.ledger.rates import RateList, Subject
from herder.model.values.money import PICO_PER_USD
from herder.store.rows.rate_rows import rate_from

NAME = "budget-decisions"
#: Levels of the tree, budgets below each, and leases that are live.
LEVELS, BELOW, LIVE = 4, 10, 10_000
BEGIN_MS, QUANTUM_MS = 1_793_491_200_000, 900_000


async def measure(bench: Bench) -> list[Figure]:
    state, leaves = _tree()
    live = [
        _held(state, f"worker-{number}", leaves[scattered(number, len(leaves))], 1) for number in range(LIVE)
    ]
    rates = RateList.of(rate_from(rate_record(each)) for each in card(INTERNAL, 0))
    took_us: dict[str, list[float]] = {"reserve": [], "renew": [], "settle": [], "price of use": []}
    for number in range(bench.sizes.budget_decisions):
        began = time.thread_time_ns()
        new = _held(state, f"new-{number}", leaves[scattered(number, len(leaves))], 2)
        reserved = time.thread_time_ns()
        due = live[scattered(number, LIVE)]
        renewed = state.renew(
            due.id,
            state.live[due.id].number,
            state.live[due.id].cost,
            PICO_PER_USD,
            BEGIN_MS + QUANTUM_MS,
            BEGIN_MS,
        )
        assert isinstance(renewed, Lease)
        again = time.thread_time_ns()
        state.settle(new.id, PICO_PER_USD // 2, BEGIN_MS)
        settled = time.thread_time_ns()
        rate = rates.at(Subject(INTERNAL, "tokens.input", "claude-sonnet-4.5"), BEGIN_MS)
        assert rate is not None
        rate.booked(number, number + 18_500)
        priced = time.thread_time_ns()
        for name, ns in zip(
            took_us, (reserved - began, again - reserved, settled - again, priced - settled), strict=True
        ):
            took_us[name].append(ns / 1000)
        state.touched_leases.clear()
        state.touched_spans.clear()
    note = f"CPU, {LEVELS} levels, {len(state.budgets):,} budgets, {LIVE:,} live leases"
    return [
        Figure(measurement=NAME, name=f"{name}, p99", unit="µs", value=percentile(each, 99), note=note)
        for name, each in took_us.items()
    ]  # fmt: skip


def _tree() -> tuple[Leases, list[str]]:
    state, level = Leases(), [""]
    for _ in range(LEVELS):
        below = []
        for parent in level:
            for number in range(BELOW if parent else 1):
                name = f"{parent}.{number}".strip(".")
                state.put(BudgetSpec(name=name, limit=10**9 * PICO_PER_USD, parent=parent), BEGIN_MS)
                below.append(name)
        level = below
    return state, level


def _held(state: Leases, name: str, budget: str, dollars: int) -> Lease:
    found = state.reserve(name, (budget,), dollars * PICO_PER_USD, BEGIN_MS + QUANTUM_MS, BEGIN_MS)
    assert isinstance(found, Lease)
    return found
