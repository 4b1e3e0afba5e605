"""Ratios to other job systems: how they are made of rounds, and that a peer that is absent is named. No peer is installed here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.peers import report, rounds
from bench.peers.environment import Environment, Missing, system_program
from bench.peers.peer import PeerFailed, Took, Work
from bench.peers.ratios import Sample, ratios
from bench.peers.rounds import Compared, Outcome, Sizes

TINY = Sizes(rounds=3, noop=4, process=2, start=2)


def noops(rate: float, cpu_s: float) -> Sample:
    return Sample(work=Work.NOOP, jobs=100, took=Took(wall_s=100 / rate), cpu_s=cpu_s)


def starts(*waits_ms: float) -> Sample:
    return Sample(work=Work.START, jobs=len(waits_ms), took=Took(wall_s=1, waits_ms=waits_ms), cpu_s=1)


def test_a_ratio_is_of_the_same_round_and_the_median_of_all() -> None:
    made = [([noops(ours, 1)], [noops(other, 2)]) for ours, other in ((100, 50), (30, 10), (80, 80))]
    rate, cpu = ratios("Other", made)
    assert (rate.work, rate.measure) == (Work.NOOP, "rate")
    assert rate.rounds == pytest.approx((2, 3, 1))
    assert rate.median == pytest.approx(2)
    assert rate.spread == pytest.approx((1, 3))
    assert cpu.rounds == pytest.approx((0.5, 0.5, 0.5))


def test_starts_are_compared_by_their_median_only() -> None:
    (ratio,) = ratios("Other", [([starts(1, 2, 90)], [starts(4, 8, 9)])])
    assert (ratio.measure, ratio.median) == ("submit to start p50", pytest.approx(0.25))


def test_a_measure_without_a_value_in_a_round_has_no_ratio() -> None:
    made = [([noops(10, 1)], [noops(10, 1)]), ([noops(10, 1)], [noops(10, 0)])]
    assert [ratio.measure for ratio in ratios("Other", made)] == ["rate"]


class Played:
    """A peer without processes; `installs` and `runs` are what it fails with."""

    store = "sqlite"
    durable = "nothing"

    def __init__(self, name: str, wall_s: float, installs: str = "", runs: str = "") -> None:
        self.name, self.wall_s, self.installs, self.runs = name, wall_s, installs, runs

    def install(self, environment: Environment) -> str:
        if self.installs:
            raise Missing(self.installs)
        return "1.0"

    @contextmanager
    def running(self, environment: Environment, folder: Path, store_url: str | None) -> Iterator[Played]:
        yield self

    def run(self, work: Work, jobs: int) -> Took:
        if self.runs:
            raise PeerFailed(self.runs)
        return Took(wall_s=self.wall_s, waits_ms=(self.wall_s,) * jobs)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who ran, in order; Herder is played, too."""
    order: list[str] = []
    turn = rounds.turn

    def noted(peer: Played, *rest: object) -> list[Sample]:
        order.append(peer.name)
        return turn(peer, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "turn", noted)
    monkeypatch.setattr(rounds, "SETTLE_S", 0)
    monkeypatch.setattr(rounds, "Herder", lambda store: Played("Herder", 1))
    return order


def test_herder_runs_before_each_peer_of_each_round(tmp_path: Path, turns: list[str]) -> None:
    outcome = rounds.run([Played("A", 2), Played("B", 4)], TINY, tmp_path, lambda _: None)
    assert turns == ["Herder", "A", "Herder", "B"] * 3
    rates = {each.name: each.ratios[0].median for each in outcome.compared}
    assert rates == {"A": pytest.approx(2), "B": pytest.approx(4)}


def test_a_peer_that_cannot_be_installed_or_fails_is_named_as_missing(
    tmp_path: Path, turns: list[str]
) -> None:
    played = [Played("A", 2, installs="no such package"), Played("B", 4, runs="it ended"), Played("C", 1)]
    outcome = rounds.run(played, TINY, tmp_path, lambda _: None)
    assert outcome.missing == {"A": "no such package", "B": "it ended"}
    assert [each.name for each in outcome.compared] == ["C"]
    assert turns.count("A") == 0
    assert turns.count("B") == 1
    assert "A is missing: no such package" in report.notes(outcome)


def test_a_program_of_the_system_that_is_absent_is_missing_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(
        Missing, match=r"no-such-program is not installed; on Debian: apt install its-package"
    ):
        system_program("no-such-program", "its-package")


def test_rows_have_the_median_and_the_spread() -> None:
    made = ratios("Other", [([noops(2, 1)], [noops(1, 1)]), ([noops(4, 1)], [noops(1, 1)])])
    one = Compared(name="Other", version="1.0", store="sqlite", durable="all", ratios=tuple(made))
    assert report.rows(Outcome(compared=[one]))[0] == ("Other 1.0", "sqlite", "noop", "rate", "3", "2–4", "2")
