"""How often jobs start within the interval that they were told when they came to wait, on traces, by the live engine.

`python -m bench.expected_starts --trace FILE --template cpu=64,price=1 [--workers 18]` prints it, also without what was
learned from past answers. Asked is once for each job that does not start at once, when everything that happens at its
moment has happened. Nothing is scored that the answers could have been fitted to: each is given before its job starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Annotated

import typer

from bench.figures import percentile
from herder.decide.forecast.start_time import LEAST_MS, Eta
from herder.model.planning.plan import Plan
from herder.scheduler.start_times import Starts
from herder.simulate.traces import read_trace
from herder.simulate.traces.trace import Trace
from herder.simulate.world.boot_times import Boot, parse_boot
from herder.simulate.world.herder import BEGIN_MS, IDLE_S, Herder
from herder.simulate.world.offers import SimTemplate, distinct, parse_template
from herder.simulate.world.world import World


class FixedFleet(Herder):
    """So many workers, made at the start: there is nothing to plan once they are there."""

    def __init__(self, workers: int) -> None:
        super().__init__(min_workers=workers, max_workers=workers)

    def _worth_planning(self, world: World, now_ms: int) -> bool:
        return len(self.state.workers) < self.min_workers

    def _wake_s(self, world: World, plan: Plan | None) -> float | None:
        return None if len(self.state.workers) >= self.min_workers else world.now_s + 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the job of the trace was told at a moment: corrected by what was learned, and as the model alone says."""

    job: int
    at_ms: int
    told: Eta
    model: Eta


class Asking:
    """The policy, and a question for every `stride`th job that came to wait."""

    def __init__(self, inner: Herder, stride: int = 1) -> None:
        inner.calibrates = True
        self.inner = inner
        self.stride = stride
        self.answers: list[Answer] = []
        self.silent = 0
        """Questions to which nothing could be said."""
        self._waited = 0

    def decide_now(self, world: World) -> float | None:
        arrived = list(world.arrived)
        wake_s = self.inner.decide_now(world)
        waiting = [job for job in arrived if world.started_s[job] < 0 and job in self.inner.job_ids]
        asked = [job for number, job in enumerate(waiting, start=self._waited) if not number % self.stride]
        self._waited += len(waiting)
        if asked:
            self._ask(asked, BEGIN_MS + round(world.now_s * 1000))
        return wake_s

    def _ask(self, jobs: Sequence[int], now_ms: int) -> None:
        inner = self.inner
        record = inner.placer.samples.record
        starts = Starts(inner.state, inner.placer.run_times, now_ms)
        for job in jobs:
            job_id = inner.job_ids[job]
            for class_id, queue in inner.state.queues.items():
                before = queue.before(job_id) if queue.count and job_id in queue else None
                if before is None:
                    continue
                model = starts.model(class_id, before)
                if model is None:
                    self.silent += 1
                else:
                    told = record.correct(model)
                    self.answers.append(Answer(job=job, at_ms=now_ms, told=told, model=model))
                break


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`early`, `late`: parts that started before and after their interval. `width`: median of its width over the wait.
    `loss`: the mean pinball loss of the three quantiles of the logarithm of the wait; smaller is better."""

    answers: int
    early: float
    late: float
    width: float
    loss: float

    @property
    def covered(self) -> float:
        return 1.0 - self.early - self.late


def score(told: Sequence[tuple[Eta, int]]) -> Score:
    """Of what was told, with the milliseconds that the job then waited. A wait below `LEAST_MS` counts as that."""
    waits = [max(waited_ms, LEAST_MS) for _, waited_ms in told]
    etas = [eta for eta, _ in told]
    count = max(1, len(told))
    losses = [
        _pinball(part, log(max(quantile, LEAST_MS)), log(wait)) / 3
        for eta, wait in zip(etas, waits, strict=True)
        for part, quantile in ((0.1, eta.p10_ms), (0.5, eta.p50_ms), (0.9, eta.p90_ms))
    ]
    widths = [(eta.p90_ms - eta.p10_ms) / wait for eta, wait in zip(etas, waits, strict=True)]
    return Score(
        answers=len(told),
        early=sum(wait < eta.p10_ms for eta, wait in zip(etas, waits, strict=True)) / count,
        late=sum(wait > eta.p90_ms for eta, wait in zip(etas, waits, strict=True)) / count,
        width=percentile(widths, 50) if widths else 0.0,
        loss=sum(losses) / count,
    )


def _pinball(part: float, told: float, came: float) -> float:
    return part * (came - told) if came >= told else (1.0 - part) * (told - came)


def ask_all(
    trace: Trace, templates: Sequence[SimTemplate], boot: Boot, *, workers: int | None = None, stride: int = 1
) -> tuple[Score, Score]:
    """As people were told, and as the model alone would have. `workers`: a fixed fleet; None: the planner's."""
    asking = Asking(Herder(idle_s=IDLE_S) if workers is None else FixedFleet(workers), stride)
    world = World(trace, distinct(templates), boot=boot)
    world.run(asking)
    waited = [
        BEGIN_MS + round(world.started_s[each.job] * 1000) - each.at_ms
        for each in asking.answers
        if world.started_s[each.job] >= 0
    ]
    kept = [each for each in asking.answers if world.started_s[each.job] >= 0]
    return (
        score([(each.told, wait) for each, wait in zip(kept, waited, strict=True)]),
        score([(each.model, wait) for each, wait in zip(kept, waited, strict=True)]),
    )


def main(
    trace: Annotated[Path, typer.Option(help="The work, plain or gzip.")],
    template: Annotated[list[str], typer.Option(metavar="cpu=N,price=P", help="What workers there are.")],
    workers: Annotated[int | None, typer.Option(help="A fixed fleet of so many (default: scaled).")] = None,
    boot: Annotated[str, typer.Option(help="As for herder simulate.")] = "120",
    stride: Annotated[int, typer.Option(min=1, help="Ask for each so many-th job that waits.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many jobs.")] = None,
) -> None:
    """How often jobs start within the interval that they were told."""
    told, model = ask_all(
        read_trace(trace, limit=limit),
        [parse_template(text) for text in template],
        parse_boot(boot),
        workers=workers,
        stride=stride,
    )
    for name, one in (("told", told), ("model alone", model)):
        typer.echo(
            f"{name}: {one.covered:.3f} of {one.answers} within 10–90 % (early {one.early:.3f}, late {one.late:.3f}), "
            f"median width {one.width:.2f} of the wait, pinball loss {one.loss:.3f}"
        )


if __name__ == "__main__":
    typer.run(main)
