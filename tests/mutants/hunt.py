"""Looks for one mutant: worlds of its seeds until one of its rules is broken."""

import time
from dataclasses import dataclass

from herder.simulate.chaos.run import ChaosOptions, ChaosResult, Variation, run
from tests.mutants.mutant import Look, Mutant, without_guard


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """`rule` is empty when nothing was noticed. `others`: rules that were broken and are not the mutant's, by seed."""

    guard: str
    rule: str = ""
    text: str = ""
    seeds: tuple[int, ...] = ()
    """Tried; the last one noticed."""
    cpu_s: float = 0.0
    others: tuple[tuple[int, str], ...] = ()


def world(look: Look, seed: int) -> ChaosResult:
    options = ChaosOptions(
        seed=seed,
        days=look.days,
        workers=look.workers,
        jobs_per_day=look.jobs_per_day,
        intensity=look.intensity,
        without=look.without,
        cluster=look.cluster,
    )
    return run(
        options, variation=Variation(odds=look.odds, core_settings=look.core_settings, fleet=look.fleet)
    )


def hunt(mutant: Mutant, cpu_s_most: float) -> Caught:
    """Bounded: no further seed is begun after so many seconds of CPU."""
    began_s, tried, others = time.process_time(), [], []
    for seed in mutant.look.seeds:
        if time.process_time() - began_s > cpu_s_most:
            break
        tried.append(seed)
        rule, text = _broken(mutant, seed)
        if rule in mutant.rules:
            return Caught(
                guard=mutant.guard, rule=rule, text=text, seeds=tuple(tried), cpu_s=time.process_time() - began_s,
                others=tuple(others),
            )  # fmt: skip
        if rule:
            others.append((seed, f"{rule}: {text}"))
    spent_s = time.process_time() - began_s
    return Caught(guard=mutant.guard, seeds=tuple(tried), cpu_s=spent_s, others=tuple(others))


def _broken(mutant: Mutant, seed: int) -> tuple[str, str]:
    """The first rule that was broken, the mutant's own before others. A world that cannot even run breaks one as well."""
    with without_guard(mutant):
        try:
            found = world(mutant.look, seed).violations
        except Exception as error:  # noqa: BLE001 - a mutant may break anything, and says what
            return "the world runs", f"{type(error).__name__}: {error}"
    mine = [each for each in found if each.rule in mutant.rules]
    first = (mine or found)[:1]
    return (first[0].rule, first[0].text) if first else ("", "")
