"""The driver for ROSA with the membership of Kubernetes, against a played OCM and a played cluster, on virtual time, with faults and deaths of the server
(`story.py`).

`HERDER_ROSA_SEEDS=1-20` runs other seeds than the usual ones, `HERDER_ROSA_HOURS=48` longer.
"""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.rosa.story import run, run_calm

#: One HCP cluster and one classic one.
USUAL = "1-2"
#: Where a count, a name or a label is written, and the server does not know it yet.
DEATHS = (
    "after configmaps POST configmaps",
    "after ocm POST node_pools",
    "after configmaps PUT configmaps",
    "after ocm PATCH node_pools",
    "before configmaps PATCH nodes",
)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Faults cause many warnings."""
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


def seeds() -> range:
    first, _, last = os.environ.get("HERDER_ROSA_SEEDS", USUAL).partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("what", DEATHS)
def test_a_server_that_dies_there_leaves_nothing(what: str) -> None:
    """Pods get nodes, and everything goes."""
    world, effects = run_calm(what, hours=0.5)
    assert world.stats["crashes"] == 1
    assert {"after ocm PATCH node_pools", "after configmaps PATCH nodes"} <= set(effects)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", seeds())
def test_faults_and_deaths_leave_nothing_behind(seed: int) -> None:
    world, told = run(seed, hours=float(os.environ.get("HERDER_ROSA_HOURS", "5")))
    assert told.most_nodes > 4, "beyond those that ROSA made"
    assert world.stats["crashes"] > 0
    assert len(world.dice.counts) > 20, "so many kinds of faults"
