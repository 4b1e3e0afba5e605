"""One simulation from start to figures. Called by the command, by benchmarks and by tests; prints nothing."""

from collections.abc import Callable, Sequence

from herder.client.http.clock import cpu_s
from herder.simulate.bounds import no_wait
from herder.simulate.runs.outcome import Outcome, outcome_of
from herder.simulate.traces.trace import Trace
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.offers import SimTemplate, cores, distinct, parse_template
from herder.simulate.world.spot import SpotSeries
from herder.simulate.world.world import Policy, World


def simulate(
    trace: Trace,
    templates: Sequence[SimTemplate],
    policy: Policy,
    *,
    boot: Boot,
    seed: int = 0,
    spot: SpotSeries | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Outcome, World]:
    begun_s = cpu_s()
    world = World(trace, distinct(templates), boot=boot, seed=seed, spot=spot)
    world.run(policy, on_progress)
    seconds = cpu_s() - begun_s
    return outcome_of(world, no_wait.no_wait(world), seconds), world


#: What is offered when nobody names a template: what the published comparisons of each trace use.
USUAL: dict[str, tuple[SimTemplate, ...]] = {
    "surf": (cores(128),),
    "metacentrum": (cores(64),),
    "openb": (parse_template("gpu=8,price=1"),),
    "helios": (parse_template("gpu=8,price=1"),),
    "azure_llm": (parse_template("gpu=8,price=1"),),
    "bitbrains": (cores(32),),
    "spot_events": (cores(4),),
    "spot_count": (cores(8),),
    "wfformat": (cores(16),),
}


def usual_templates(trace: Trace) -> tuple[SimTemplate, ...]:
    """For a format without: the smallest power of two that takes the largest job, at a price of one per hour."""
    usual = USUAL.get(trace.format)
    if usual is not None:
        return usual
    most = [max((shape[k] for shape in trace.shapes), default=0) for k in range(4)]
    size = 16
    while size * 1000 < most[0] or size < most[3] / 1000:
        size *= 2
    return (cores(size),) if not most[3] else (parse_template(f"cpu={size},gpu={size},price=1"),)
