"""`make soak`: a hundred days of a simulated fleet, twenty more with a Kubernetes cluster, and ten thousand deaths of the server between two effects, over many seeds.

Days are as `herder simulate chaos` runs them; the deaths are looked for in shorter worlds in which the server dies often. What is done is
written down after each world, so a soak that was stopped goes on; it begins anew when the sources have changed. Exits with 1 when a
rule was broken, and says how to see it again.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from herder.simulate.chaos.budget_fleet import with_budgets
from herder.simulate.chaos.run import ChaosOptions, Variation, run
from herder.simulate.chaos.shrink import command_of

ROOT = Path(__file__).resolve().parents[2]
PROGRESS = ROOT / ".cache" / "soak.json"
#: A world of deaths: small and short, with budgets, and about a hundred deaths in it.
DEATHS = Variation(odds={"crash_at_effect": 0.01}, fleet=with_budgets)
AT_AN_EFFECT = "crash at an effect"


def world(kind: str, seed: int) -> dict[str, Any]:
    began_s = time.process_time()
    if kind in ("day", "cluster"):
        options, variation = ChaosOptions(seed=seed, cluster=kind == "cluster"), Variation()
    else:
        options, variation = (
            ChaosOptions(seed=seed, days=0.1, workers=12, jobs_per_day=1_500, intensity=3.0),
            DEATHS,
        )
    found = run(options, variation=variation)
    return {
        "kind": kind,
        "seed": seed,
        "days": options.days,
        "jobs": found.jobs,
        "crashes": found.crashes,
        "crash_points": found.faults.get(AT_AN_EFFECT, 0),
        "cpu_s": round(time.process_time() - began_s, 1),
        "violations": [f"{each.rule}: {each.text}" for each in found.violations],
        "again": command_of(options)
        if kind != "death"
        else f"python -m tests.soak --only death --seed {seed}",
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--days", type=int, default=100, help="Cluster-days, one seed each.")
    parser.add_argument(
        "--cluster-days", type=int, default=20, help="Days with a Kubernetes cluster, one seed each."
    )
    parser.add_argument("--crash-points", type=int, default=10_000, help="Deaths of the server at an effect.")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--only", choices=("day", "cluster", "death"), help="One world of this kind, with --seed."
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.only:
        done = [world(options.only, options.seed)]
    else:
        done = soak(
            {"day": options.days, "cluster": options.cluster_days},
            options.crash_points,
            options.first_seed,
            options.processes,
        )
    print(summary(done))
    return 1 if any(each["violations"] for each in done) else 0


def soak(days: dict[str, int], crash_points: int, first_seed: int, processes: int) -> list[dict[str, Any]]:
    sources = fingerprint()
    done = {(each["kind"], each["seed"]): each for each in read(sources)}
    with ProcessPoolExecutor(processes) as pool:
        for _ in range(sum(days.values()) + crash_points):
            wanted = list(missing(done, days, crash_points, first_seed, processes))
            if not wanted:
                break
            for found in pool.map(world, *zip(*wanted, strict=True)):
                done[found["kind"], found["seed"]] = found
                PROGRESS.parent.mkdir(exist_ok=True)
                PROGRESS.write_text(json.dumps({"sources": sources, "done": list(done.values())}))
                said = "; ".join(found["violations"]) or "every rule held"
                print(
                    f"{found['kind']} {found['seed']}: {found['crashes']} crashes, {found['cpu_s']} s of CPU time, {said}",
                    flush=True,
                )
    return list(done.values())


def missing(
    done: dict[tuple[str, int], dict[str, Any]],
    days: dict[str, int],
    crash_points: int,
    first_seed: int,
    most: int,
) -> Iterator[tuple[str, int]]:
    """The next few worlds. `days`: how many of each kind."""
    lacking = [
        (kind, seed)
        for kind, many in days.items()
        for seed in range(first_seed, first_seed + many)
        if (kind, seed) not in done
    ]
    if sum(each["crash_points"] for each in done.values()) < crash_points:
        seed = first_seed
        while len(lacking) < most or not any(kind == "death" for kind, _ in lacking):
            if ("death", seed) not in done:
                lacking.insert(0, ("death", seed))
            seed += 1
    yield from lacking[:most]


def read(sources: str) -> list[dict[str, Any]]:
    if not PROGRESS.exists():
        return []
    known = json.loads(PROGRESS.read_text())
    return list(known["done"]) if known["sources"] == sources else []


def fingerprint() -> str:
    found = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def summary(done: list[dict[str, Any]]) -> str:
    broken = [each for each in done if each["violations"]]
    lines = [
        f"{sum(each['days'] for each in done):.1f} cluster-days, {sum(each['jobs'] for each in done):,} jobs, "
        f"{sum(each['crashes'] for each in done):,} server crashes, {sum(each['crash_points'] for each in done):,} of them "
        f"between two effects, {sum(each['cpu_s'] for each in done):,.0f} s of CPU time.",
    ]
    for each in broken:
        lines += [f"✗ {each['violations'][0]}", f"  See it again with: {each['again']}"]
    return "\n".join([*lines, "✓ No rule was broken."] if not broken else lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
