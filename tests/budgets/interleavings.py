"""Random interleavings of holders of leases, with crashes before a commit and after it, on the pure machine alone. `python -m tests.budgets.interleavings 1000000` runs
so many; the everyday tests run some thousands."""

import copy
import sys
from collections.abc import Iterable
from random import Random
from time import perf_counter

from herder.ledger.budgets.leases import Lease, Leases, broken
from herder.ledger.budgets.spec import BudgetSpec, Every, Period
from tests.support.budgets import books_balance, budgets

STEPS = 12
HOUR_MS = 3_600_000
QUANTUM = 400
DAILY, ONCE, ROLLING = Period(Every.DAY), Period(Every.ONCE), Period(Every.ROLLING, 24)
SPECS = (
    BudgetSpec(name="org", limit=1_000, period=ONCE),
    BudgetSpec(name="east", limit=700, period=DAILY, parent="org"),
    BudgetSpec(name="a", limit=500, period=DAILY, parent="east", timezone="Europe/Berlin"),
    BudgetSpec(name="b", limit=500, period=ROLLING, parent="east"),
)
EMPTY = budgets(*SPECS)


class Overspent(AssertionError):
    """What must never be."""


def interleaving(seed: int, *, stubborn: bool = False) -> None:
    """`stubborn`: one holder does not stop at the end of what it reserved, and uses up to a quantum more. Raises Overspent."""
    random, state, now = Random(seed), copy.deepcopy(EMPTY), 0
    told: dict[str, Lease] = {}
    used: dict[str, int] = {}
    over = 0
    for step in range(STEPS):
        fate = random.random()
        durable = copy.deepcopy(state) if fate < 0.1 else None
        what = random.randrange(5)
        lease = random.choice(list(told.values())) if told else None
        answer: object = None
        if what == 0 or lease is None:
            names = random.choice((("a",), ("b",), ("a", "b"), ("east",)))
            answer = state.reserve(
                str(step), names, random.randint(1, QUANTUM), now + random.randint(1, HOUR_MS), now
            )
        elif what == 1 and (lease.id in state.live or lease.id in state.expired):
            cost = used[lease.id] = cost_of(lease, used, random, now)
            amount, until = random.randint(1, QUANTUM), now + random.randint(1, HOUR_MS)
            answer = state.renew(lease.id, lease.number, cost, amount, until, now, remote=True)
        elif what == 2:
            extra = random.randint(0, QUANTUM) if stubborn and not over else 0
            cost = cost_of(lease, used, random, now) + extra
            over += extra
            used[lease.id] = cost
            state.settle(lease.id, cost, now)
            del told[lease.id]
        else:
            now += random.randint(0, 2 * HOUR_MS)
            state.expire(now)
        if durable is not None:
            state = durable  # the server has died before the commit: nobody was told anything
        elif fate > 0.2 and isinstance(answer, Lease):
            told[answer.id] = answer
    check(state, now, over, sum(used.values()))


def cost_of(lease: Lease, used: dict[str, int], random: Random, now: int) -> int:
    """From its beginning: at most what it was told that it may use, and no more after the end."""
    known = used.get(lease.id)
    if known is not None and lease.until_ms <= now:
        return known
    return max(known or 0, lease.cost + random.randint(0, lease.amount))


def check(state: Leases, now: int, over: int, used: int) -> None:
    """All that was used is booked, no overspend beyond what a holder has taken by itself, and after all ends nothing is left reserved. Raises Overspent."""
    for name, budget in state.budgets.items():
        left = budget.left(now)
        if left is not None and left < -over:
            raise Overspent(f"{name} is overspent by {-left}, of which {over} by a holder that did not stop")
    wrong = [] if over else broken(state, now)
    state.expire(10**13)
    booked = sum(span.spent for span in state.budgets["org"].spans.values())
    if not used - over <= booked <= (SPECS[0].limit or 0) + over:
        raise Overspent(f"{used} were used, {booked} are booked, and the limit is {SPECS[0].limit}")
    if (
        wrong
        or state.live
        or any(s.reserved or s.leases for b in state.budgets.values() for s in b.spans.values())
    ):
        raise Overspent(f"{wrong}, or something leaks")
    if not over:
        books_balance(state)


def run(seeds: Iterable[int], *, stubborn: bool = False) -> None:
    for seed in seeds:
        interleaving(seed, stubborn=stubborn)


if __name__ == "__main__":
    count, began = int(sys.argv[1]), perf_counter()
    run(range(count))
    run(range(count, count + count // 10), stubborn=True)
    print(
        f"{count + count // 10:,} interleavings of {STEPS} steps in {perf_counter() - began:.0f} s: none is broken"
    )
