"""Seeded runs of the real server and agents under faults: every accepted job ends exactly once, nothing is left over.

A failure names its seed: `SEED=17 pytest tests/simulation` runs that one alone. `make soak` sets MANY_SEEDS: how many of each start.
"""

import os

import pytest

from herder.agent.processes import process_table
from herder.simulate.chaos import World
from tests.simulation.fleet import JOBS, check_rest, states_of
from tests.simulation.storm import simulate

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(5)
MANY_SEEDS = int(os.environ.get("MANY_SEEDS", "20"))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_job_ends_once_and_nothing_is_left_over(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.timeout(900 + 60 * MANY_SEEDS)
@pytest.mark.parametrize("start", [1000, 2000])
def test_many_more_seeds(start: int) -> None:
    for seed in range(start, start + MANY_SEEDS):
        check(seed)


def check(seed: int) -> None:
    def look(world: World) -> None:
        check_rest(world)
        assert len(states_of(world)) > 20
        assert world.dice.met
        assert sum(world.stats.values()) > 0

    simulate(seed, JOBS, look=look)


def test_a_seed_gives_the_same_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on another machine: the processes of the real one are not read."""

    reads: list[str] = []

    def of_the_real_machine() -> dict[int, process_table.Process]:
        reads.append("/proc")
        return {}

    monkeypatch.setattr(process_table, "processes", of_the_real_machine)
    runs = [simulate(seed, JOBS, trouble_s=40, look=lambda _: None) for seed in (7, 7, 8)]
    assert runs[0].fingerprint == runs[1].fingerprint
    assert runs[0].dice.met == runs[1].dice.met
    assert runs[0].fingerprint != runs[2].fingerprint
    assert reads == []
