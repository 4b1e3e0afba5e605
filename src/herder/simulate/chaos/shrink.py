"""Finds a smaller run that breaks the same rule: shorter, with fewer kinds of faults, fewer workers and fewer jobs.

Each step is another run. A step is kept if the rule is still broken.
"""

from collections.abc import Callable
from dataclasses import replace

from herder.simulate.chaos.actors.crowd import DAY_S, PER_HOUR
from herder.simulate.chaos.run import ChaosOptions, ChaosResult, run

#: Time that is simulated after the violation.
MARGIN_S = 120.0
WORKERS_LEAST = 4
JOBS_LEAST = 50


def shrink(
    found: ChaosResult, tell: Callable[[str], None], again: Callable[[ChaosOptions], ChaosResult] = run
) -> ChaosResult:
    """`found` has a violation. The result has a violation of the same rule."""
    rule = found.violations[0].rule

    def try_with(what: str, options: ChaosOptions) -> bool:
        nonlocal found
        result = again(options)
        same = bool(result.violations) and result.violations[0].rule == rule
        tell(f"{what}: {'the rule is still broken' if same else 'the rule holds'}")
        if same:
            found = result
        return same

    _shorter(found, try_with)
    for kind in [*sorted(found.faults, key=lambda each: -found.faults[each]), *PER_HOUR]:
        if kind not in found.options.without:
            without = found.options.without | {kind}
            if try_with(f"without {kind}", replace(found.options, without=without)):
                _shorter(found, try_with)
    while found.options.workers // 2 >= WORKERS_LEAST and try_with(
        f"{found.options.workers // 2} workers", replace(found.options, workers=found.options.workers // 2)
    ):
        pass
    while found.options.jobs_per_day // 2 >= JOBS_LEAST and try_with(
        f"{found.options.jobs_per_day // 2} jobs a day",
        replace(found.options, jobs_per_day=found.options.jobs_per_day // 2),
    ):
        pass
    return found


def _shorter(found: ChaosResult, try_with: Callable[[str, ChaosOptions], bool]) -> None:
    days = (found.violations[0].at_s + MARGIN_S) / DAY_S
    if days < found.options.days:
        try_with(f"{days:.4f} days", replace(found.options, days=round(days, 6)))


def command_of(options: ChaosOptions) -> str:
    """The command that repeats the run."""
    words = [f"--seed {options.seed}", f"--days {options.days:g}", f"--workers {options.workers}"]
    words.append(f"--jobs-per-day {options.jobs_per_day}")
    if options.intensity != 1:
        words.append(f"--intensity {options.intensity:g}")
    if options.cluster:
        words.append("--cluster")
    words += [f'--without "{kind}"' for kind in sorted(options.without)]
    return "herder simulate chaos " + " ".join(words)
