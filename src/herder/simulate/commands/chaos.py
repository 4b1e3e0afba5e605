"""The command `herder simulate chaos`. Added to the group by `simulate.py`; exits with 1 if a rule was broken."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.output.formats import Format
from herder.cli.output.progress import progress
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session, session
from herder.client.http import clock
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.simulate.chaos.run import ChaosOptions, ChaosResult

_EXAMPLE = "herder simulate chaos --seed 7 --days 0.02\nherder simulate chaos --seed 7 --days 0.01 --workers 10 -o json"
#: Longer runs would take days of CPU time, and nothing else bounds their memory.
DAYS_MAX = 1000.0
WORKERS_MAX = 2_000
JOBS_MAX = 1_000_000
INTENSITY_MAX = 1000.0
MINUTES_OF_A_DAY = 1_440
_Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="KIND", help="Exclude a kind of fault or of operation. Repeatable."),
]
_Cluster = Annotated[
    bool,
    typer.Option("--cluster", help="Add a Kubernetes cluster, and two pools whose workers are its nodes."),
]


def add_to(group: typer.Typer) -> None:
    command(group, "chaos", example=_EXAMPLE)(chaos)


def chaos(
    ctx: typer.Context,
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random decisions.")] = 1,
    days: Annotated[float, typer.Option("--days", metavar="DAYS", help="Simulated days of faults.")] = 1.0,
    workers: Annotated[
        int, typer.Option("--workers", min=4, max=WORKERS_MAX, help="Maximum number of workers.")
    ] = 50,
    jobs_per_day: Annotated[
        int, typer.Option("--jobs-per-day", min=0, max=JOBS_MAX, help="Jobs submitted in a simulated day.")
    ] = 2_000,
    intensity: Annotated[
        float, typer.Option("--intensity", metavar="TIMES", help="Factor for the odds of all faults.")
    ] = 1.0,
    without: _Without = None,
    cluster: _Cluster = False,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="When a rule is broken, search for a smaller run that breaks it.")
    ] = False,
) -> None:
    """Run the server and its agents in a simulated world with faults, and check rules that must always hold.

    The real code of server and agents runs on virtual time with an in-memory store. Calls fail, hang and act twice; messages are lost; machines
    and servers die; clocks are set; users and operators act at random times. Then the faults stop: in the rest that follows, all jobs must end,
    and each pool must shrink to its minimum. The same seed gives the same run. When a rule is broken, the events that led to it are printed, and the exit code is 1.
    """
    from herder.simulate.chaos.run import KINDS, ChaosOptions, run
    from herder.simulate.chaos.shrink import command_of
    from herder.simulate.chaos.shrink import shrink as shorter

    say = session(ctx)
    _check("--days", days, DAYS_MAX)
    _check("--intensity", intensity, INTENSITY_MAX)
    _check_kinds(set(without or ()), KINDS)
    options = ChaosOptions(
        seed=seed,
        days=days,
        workers=workers,
        jobs_per_day=jobs_per_day,
        intensity=intensity,
        without=frozenset(without or ()),
        cluster=cluster,
    )
    began_s = clock.cpu_s()
    with progress(say, "Simulated minutes", max(1, round(days * MINUTES_OF_A_DAY))) as advance:
        found = run(options, lambda done: advance(round(done * MINUTES_OF_A_DAY)))
    if found.violations and shrink:
        found = shorter(found, say.say)
    show(say, found, clock.cpu_s() - began_s)
    if found.violations:
        first = found.violations[0]
        raise CommandError(
            f"The rule {first.rule!r} was broken.",
            hint=f"To repeat this run: {command_of(found.options)}.",
        )


def _check(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        raise CommandError(
            f"{name} is {value:g}, which is not above 0 and at most {most:g}.",
            hint="Write a number such as 1 or 0.5.",
            code=Code.USAGE,
        )


def _check_kinds(without: set[str], kinds: frozenset[str]) -> None:
    for unknown in sorted(without - kinds)[:1]:
        raise CommandError(
            f"There is no fault of the kind {unknown!r}.",
            hint=f"Kinds: {', '.join(sorted(kinds))}.",
            code=Code.USAGE,
        )


def _plain(found: "ChaosResult", cpu_s: float) -> dict[str, Any]:
    options: ChaosOptions = found.options
    return {
        "seed": options.seed,
        "days": options.days,
        "workers": options.workers,
        "jobs_per_day": options.jobs_per_day,
        "intensity": options.intensity,
        "without": sorted(options.without),
        "cluster": options.cluster,
        "steps": found.steps,
        "crashes": found.crashes,
        "jobs": found.jobs,
        "workers_made": found.workers_made,
        "faults": dict(found.faults),
        "refused": dict(found.refused),
        "violations": [
            {"rule": each.rule, "text": each.text, "at_s": round(each.at_s, 3)} for each in found.violations
        ],
        "story": found.story,
        "fingerprint": found.fingerprint,
        "cpu_s": round(cpu_s, 3),
    }


def show(say: Session, found: "ChaosResult", cpu_s: float) -> None:
    plain = _plain(found, cpu_s)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(plain)
        return
    if say.format is Format.CSV:
        flat = {key: value for key, value in plain.items() if not isinstance(value, dict | list)}
        say.printer.fields({**flat, "violations": len(found.violations)})
        return
    line = say.printer.line
    faulty = min(found.options.days, found.days_run)
    rest = found.days_run - faulty
    line(
        f"Seed {found.options.seed}: {faulty:.3g} simulated days with faults and {rest:.3g} days of rest after them, in {cpu_s:.1f} s of CPU time."
    )
    line(
        f"{counted(found.jobs, 'job')} and {counted(found.workers_made, 'worker')}, {counted(found.steps, 'step')}."
    )
    line(f"{counted(sum(found.faults.values()), 'fault')}, {counted(found.crashes, 'server crash')}:")
    for kind, count in found.faults.items():
        line(f"  {kind:<28} {count:>7,}")
    for each in found.story:
        line(each)
    for violation in found.violations:
        line(f"✗ {violation.rule}: {violation.text}")
    if not found.violations:
        line("✓ No rule was broken.")
