"""Some thousands of the interleavings of `interleavings.py`, and a machine with a mistake that they must notice."""

import pytest

from herder.ledger.budgets.leases import Lease, Leases
from tests.budgets.interleavings import Overspent, run


def test_no_interleaving_overspends_or_leaks() -> None:
    run(range(4_000))


def test_a_holder_that_does_not_stop_overspends_by_its_quantum_at_most() -> None:
    run(range(1_000), stubborn=True)


def test_a_machine_that_forgets_a_budget_above_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Leases._hold

    def forgets(self: Leases, lease: Lease, chain: list, now_ms: int) -> Lease:  # type: ignore[type-arg]
        return held(self, lease, chain[:1], now_ms)

    monkeypatch.setattr(Leases, "_hold", forgets)
    with pytest.raises((Overspent, AssertionError)):
        run(range(500))
