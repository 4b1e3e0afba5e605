"""First fit in this simulator gives the figures that another simulation of the same traces gave: the proof that it is right.

On the excerpts with figures kept here; on the full traces where HERDER_TRACES names a folder that has them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from herder.simulate.policies.catalogue import find_policy
from herder.simulate.runs.run import simulate
from herder.simulate.traces import read_trace
from herder.simulate.traces.trace import Trace
from herder.simulate.world.offers import SimTemplate, cores, parse_template
from tests.simulate.small import BOOT, NO_BOOT

FULL = os.environ.get("HERDER_TRACES", "")
needs_full = pytest.mark.skipif(not FULL, reason="HERDER_TRACES does not name a folder with the full traces")
SURF, METACENTRUM, OPENB = (
    "surf-lisa-2022-07-09-jobs.csv.gz",
    "metacentrum-2013-first60d-jobs.csv.gz",
    "openb-2023-pods.csv.gz",
)
GPU = (parse_template("gpu=8,price=1"),)


def full(name: str) -> Trace:
    return read_trace(Path(FULL) / name)


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize(
    ("name", "templates", "idle_s", "jobs", "ratio", "wait_s", "started"),
    [
        (METACENTRUM, (cores(64),), 0, 8324, 1.238, 12.8, 566),
        (METACENTRUM, (cores(64),), 300, 8324, 1.242, 11.4, 483),
        (METACENTRUM, (cores(64),), 1800, 8324, 1.263, 9.2, 350),
        (OPENB, GPU, 0, 7063, 1.063, 2.0, 103),
        (OPENB, GPU, 300, 7063, 1.064, 2.0, 101),
        (OPENB, GPU, 1800, 7063, 1.129, 1.1, 62),
        (SURF, (cores(128),), 300, 124_833, 1.331, 8.1, 1303),
        (SURF, (cores(128),), 1800, 124_833, 1.345, 6.8, 1086),
    ],
)
def test_first_fit(
    name: str,
    templates: tuple[SimTemplate, ...],
    idle_s: float,
    jobs: int,
    ratio: float,
    wait_s: float,
    started: int,
) -> None:
    got, _ = simulate(full(name), templates, find_policy(f"first_fit(idle_s={idle_s})").make(), boot=BOOT)
    assert got.jobs == jobs
    assert got.ratio == pytest.approx(ratio, abs=0.0006)
    assert got.wait_mean_s == pytest.approx(wait_s, abs=0.06)
    assert abs(got.workers_started - started) <= 1


@pytest.mark.slow
@needs_full
def test_surf_to_the_last_worker() -> None:
    """The other simulation closed an empty worker before it looked at jobs that arrive in the same second, so here jobs end a
    millisecond earlier; without that 1,633 workers are started, and the mean wait is 10.0 s."""
    trace = full(SURF)
    trace.run_s = [run_s - 0.001 for run_s in trace.run_s]
    got, _ = simulate(trace, (cores(128),), find_policy("first_fit").make(), boot=BOOT)
    assert got.bound == pytest.approx(34_407, abs=1)
    assert (round(got.ratio, 3), round(got.wait_mean_s, 1), got.workers_started) == (1.325, 10.1, 1643)


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize(
    ("workers", "wait_h"), [(16, 116.0), (18, 40.0), (20, 13.7), (24, 2.3), (28, 0.5), (35, 0.0)]
)
def test_fixed_pools(workers: int, wait_h: float) -> None:
    got, _ = simulate(full(SURF), (cores(128),), find_policy(f"fixed({workers})").make(), boot=NO_BOOT)
    assert got.wait_mean_s / 3600 == pytest.approx(wait_h, rel=0.02, abs=0.06)
