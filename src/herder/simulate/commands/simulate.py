"""The commands `herder simulate` and `herder simulate compare`. Added to the CLI by `app.py`.

Data goes to stdout and nothing else does; what was left out, and progress, go to stderr.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.output.progress import progress
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session, session
from herder.simulate.commands import chaos, verify
from herder.simulate.commands.inputs import Source, from_file, from_store, usage
from herder.simulate.commands.output import show_many, show_one, tell_left_out

if TYPE_CHECKING:
    from herder.simulate.policies.catalogue import PolicyChoice
    from herder.simulate.runs.finished_run import FinishedRun
    from herder.simulate.runs.outcome import Outcome
    from herder.simulate.traces.trace import Trace
    from herder.simulate.world.boot_times import Boot
    from herder.simulate.world.offers import SimTemplate
    from herder.simulate.world.spot import SpotSeries
    from herder.simulate.world.world import World

DEFAULT_POLICY = "herder"
#: What `compare` runs when no policy is named.
COMPARED = (
    "herder", "first_fit", "best_fit", "karpenter_like", "cluster_autoscaler_like", "ray_like", "hail_like",
)  # fmt: skip

TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Trace of the jobs, plain or gzip; - is stdin. Required without --from-events.",
    ),
]
FromEvents = Annotated[
    str | None,
    typer.Option(
        "--from-events",
        metavar="DB",
        help="Jobs of Herder's own store instead of a trace: a data folder, its herder.db, or a database URL. The store is only read; "
        "its server may be running. Without --template, the templates of its pools are used.",
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="surf, metacentrum, openb, bitbrains, helios, azure_llm, spot_events, spot_count, wfformat, swf or csv "
        "(default: recognised from the file).",
    ),
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="cpu=N,memory=N,price=N",
        help="Template of workers: cores, GiB and price per hour; also gpu, disk (GiB), name, max (workers), spot=yes, "
        "billed=SECONDS (minimum) and out=START-END (seconds without capacity). Amounts that are not given are not limited. Or a CSV file of "
        "machines: cpu_milli, memory_mib, gpu, price. Repeatable.",
    ),
]
BootTime = Annotated[
    str,
    typer.Option(
        "--boot", metavar="TIME", help="Seconds from request to ready: 120, 60..180 or 120~0.3 (log-normal)."
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of boot times and interruptions.")]
First = Annotated[int | None, typer.Option("--limit", min=1, help="Use only the first jobs of the file.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Skip bad rows; they are counted and listed on stderr.")
]
SpotFile = Annotated[
    Path | None,
    typer.Option(
        "--spot", metavar="FILE", help="Record of spot interruptions, for workers of spot templates."
    ),
]
WithBounds = Annotated[
    bool,
    typer.Option(
        "--bounds",
        help="Also compute lower bounds of the cost with the same waits; needs herder[optimise].",
    ),
]
BoundWait = Annotated[
    float | None,
    typer.Option(
        "--bound-wait",
        metavar="SECONDS",
        min=0,
        help="Longest wait in these bounds (default: the longest of the run).",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Also write a page of HTML with charts and figures."),
]


def add_to(app: typer.Typer) -> None:
    group = noun(
        "Replay jobs against a policy in virtual time, and compare the cost with a lower bound.",
        example="herder simulate --trace jobs.csv --template cpu=16,memory=64,price=0.8\n"
        "herder simulate --from-events /var/lib/herder --policy first_fit\n"
        "herder simulate compare --trace jobs.csv --policy herder --policy best_fit",
        alone=True,
    )
    group.callback()(simulate_one)
    command(group, "compare", example="herder simulate compare --trace jobs.csv.gz -o json")(compare)
    verify.add_to(group)
    chaos.add_to(group)
    app.add_typer(group, name="simulate")


def simulate_one(
    ctx: typer.Context,
    *,
    trace: TraceFile = None,
    from_events: FromEvents = None,
    format_name: FormatName = None,
    policy: Annotated[
        str,
        typer.Option(
            "--policy", metavar="FILE|NAME", help="Policy: a name, name(parameter=value) or a file."
        ),
    ] = DEFAULT_POLICY,
    template: Templates = None,
    boot: BootTime = "120",
    seed: Seed = 0,
    limit: First = None,
    skip_bad: SkipBad = False,
    spot: SpotFile = None,
    with_bounds: WithBounds = False,
    bound_wait: BoundWait = None,
    report: ReportFile = None,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    from herder.simulate.commands.comparison import bounds_beside, check_options
    from herder.simulate.runs.finished_run import FinishedRun

    say = session(ctx)
    usage(lambda: check_options(with_bounds=with_bounds, report=report))
    inputs = _inputs(
        say, Source(trace, from_events, format_name, limit, skip_bad), template, boot, seed, spot
    )
    outcome, world = _run(say, inputs, usage(lambda: _policy(policy)))
    tell_left_out(say, world)
    bounds = bounds_beside(world, outcome, bound_wait) if with_bounds else {}
    if report is not None:
        _write_report(
            say, inputs, report, [FinishedRun(title=policy, outcome=outcome, world=world, bounds=bounds)]
        )
    show_one(say, outcome, bounds)


def compare(
    ctx: typer.Context,
    *,
    trace: TraceFile = None,
    from_events: FromEvents = None,
    format_name: FormatName = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", metavar="FILE|NAME", help="Policy to compare. Repeatable (default: all but fixed)."
        ),
    ] = None,
    template: Templates = None,
    boot: BootTime = "120",
    seed: Seed = 0,
    limit: First = None,
    skip_bad: SkipBad = False,
    spot: SpotFile = None,
    with_bounds: WithBounds = False,
    bound_wait: BoundWait = None,
    report: ReportFile = None,
) -> None:
    """Replay the same jobs against several policies, and show them side by side."""
    from herder.simulate.commands.comparison import bounds_beside, check_options
    from herder.simulate.runs.finished_run import FinishedRun

    say = session(ctx)
    choices = [usage(partial(_policy, text)) for text in policy or COMPARED]
    usage(lambda: check_options(with_bounds=with_bounds, report=report, policies=len(choices)))
    inputs = _inputs(
        say, Source(trace, from_events, format_name, limit, skip_bad), template, boot, seed, spot
    )
    rows: list[tuple[str, Outcome, dict[str, Any]]] = []
    runs: list[FinishedRun] = []
    for place, choice in enumerate(choices):
        outcome, world = _run(say, inputs, choice)
        if place == 0:
            tell_left_out(say, world)
        bounds = bounds_beside(world, outcome, bound_wait) if with_bounds else {}
        rows.append((choice.title, outcome, bounds))
        if report is not None:
            runs.append(FinishedRun(title=choice.title, outcome=outcome, world=world, bounds=bounds))
    if report is not None:
        _write_report(say, inputs, report, runs)
    show_many(say, rows, with_bounds)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    trace: "Trace"
    templates: "tuple[SimTemplate, ...]"
    boot: "Boot"
    seed: int
    spot: "SpotSeries | None"
    name: str
    spot_name: str | None


def _inputs(
    say: Session, source: Source, templates: list[str] | None, boot: str, seed: int, spot: Path | None
) -> _Inputs:
    from herder.simulate.world.boot_times import parse_boot

    parsed = tuple(each for text in templates or () for each in usage(partial(_offered, text)))
    boot_time = usage(lambda: parse_boot(boot))
    trace, chosen = from_store(say, source, parsed) if source.events else from_file(say, source, parsed)
    return _Inputs(
        trace=trace,
        templates=chosen,
        boot=boot_time,
        seed=seed,
        spot=_spot(spot, source.skip_bad),
        name=_named(source.path),
        spot_name=spot.name if spot else None,
    )


def _named(path: Path | None) -> str:
    if path is None:
        return "Herder's own store"
    return "stdin" if str(path) == "-" else path.name


def _offered(text: str) -> "tuple[SimTemplate, ...]":
    """A template in its short form, or a file of machines."""
    from herder.simulate.world.inventory import templates_of
    from herder.simulate.world.offers import parse_template

    return (parse_template(text),) if "=" in text else templates_of(Path(text))


def _spot(path: Path | None, skip_bad: bool) -> "SpotSeries | None":
    from herder.simulate.traces import read_trace
    from herder.simulate.world.spot import spot_series

    if path is None:
        return None
    record = usage(lambda: read_trace(path, skip_bad=skip_bad))
    series = spot_series(record.levels)
    if series is None:
        raise CommandError(
            f"{path} has no interruption of a spot machine.",
            hint="Give a spot_events or spot_count file.",
            code=Code.USAGE,
        )
    return series


def _policy(text: str) -> "PolicyChoice":
    from herder.simulate.policies.catalogue import find_policy

    choice = find_policy(text)
    choice.make()
    return choice


def _run(say: Session, inputs: _Inputs, choice: "PolicyChoice") -> "tuple[Outcome, World]":
    from herder.simulate.runs.run import simulate

    with progress(say, choice.title, len(inputs.trace)) as advance:
        return usage(
            lambda: simulate(
                inputs.trace,
                inputs.templates,
                choice.make(),
                boot=inputs.boot,
                seed=inputs.seed,
                spot=inputs.spot,
                on_progress=advance,
            )
        )


def _write_report(say: Session, inputs: _Inputs, path: Path, runs: "list[FinishedRun]") -> None:
    from herder.simulate.commands.comparison import write_report

    facts = [("Seed", str(inputs.seed))]
    if inputs.spot_name is not None:
        facts.append(("Interruptions as in", inputs.spot_name))
    write_report(path, runs, inputs.name, facts)
    say.say(f"The report is in {path}.")
