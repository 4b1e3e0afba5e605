"""Small worlds for the tests of the simulator: random traces, excerpts, and a watch that counts what a world does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

import herder.simulate
from herder.model.values.resources import Resources
from herder.simulate.traces.trace import Trace, TraceJob, trace_of
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.offers import SimTemplate, cores, parse_template
from herder.simulate.world.world import Policy, Worker, World

EXCERPTS = Path(herder.simulate.__file__).parent / "excerpts"
BOOT = Boot(low_s=120, high_s=120)
NO_BOOT = Boot(low_s=0, high_s=0)

REAL_POLICIES = (
    "first_fit",
    "first_fit(idle_s=300)",
    "best_fit",
    "karpenter_like",
    "cluster_autoscaler_like",
    "ray_like",
    "hail_like",
    "herder",
    "herder(idle_s=0)",
)


class WatchedWorld(World):
    """Checks each start against what the worker has, from first principles and not by packed numbers."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.starts: list[tuple[int, int]] = []

    def _start(self, job: int, worker: Worker) -> None:
        super()._start(job, worker)
        self.starts.append((job, worker.number))
        amounts = self.templates[worker.template].amounts
        for place, most in enumerate(amounts):
            used = sum(self.trace.shapes[self.trace.shape_of[each]][place] for each in worker.running)
            assert most is None or used <= most


def ran(
    trace: Trace, templates: tuple[SimTemplate, ...], policy: Policy, boot: Boot = BOOT, **more: object
) -> WatchedWorld:
    world = WatchedWorld(trace, templates, boot=boot, **more)
    world.run(policy)
    return world


def trace(*jobs: tuple[float, float, float], **more: object) -> Trace:
    """(arrival, run time, cores) each."""
    return trace_of(
        "test", [TraceJob(arrival_s=a, run_s=r, request=Resources(cpu_milli=round(1000 * c)), **more) for a, r, c in jobs]
    )  # fmt: skip


TEMPLATES = st.sampled_from(
    [
        (cores(4),),
        (cores(2, 1), cores(4, 2), cores(8, 4)),
        (parse_template("cpu=4,memory=8,price=1"),),
        (parse_template("cpu=4,memory=8,price=1"), parse_template("cpu=8,memory=8,price=1.5")),
        (parse_template("cpu=4,price=1"), parse_template("cpu=2,memory=16,gpu=1,price=3")),
    ]
)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    shape = st.sampled_from(
        [
            Resources(1000, 1024),
            Resources(2000, 512),
            Resources(500, 6000),
            Resources(4000, 8192),
            Resources(64000, 1),
        ]
    )
    job = st.builds(
        TraceJob,
        arrival_s=st.integers(0, 900).map(float),
        run_s=st.sampled_from([0.0, 1.0, 30.0, 500.0, 4000.0]),
        request=shape,
        user=st.sampled_from(["ann", "bob"]),
    )
    return trace_of("test", draw(st.lists(job, min_size=1, max_size=25)))
