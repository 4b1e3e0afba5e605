"""`make mutants`: looks for each mutant and prints the table guard → rule that noticed → seeds and CPU seconds until then.

Exits with 1 when one is not caught. It changes the product in this process only, and undoes it after each mutant.
"""

import argparse
import json
import sys
from dataclasses import asdict

from tests.mutants.hunt import Caught, hunt, world
from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

CPU_S = 90.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("guards", nargs="*", help="Only mutants whose guard contains one of these words.")
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="Form of the answer."
    )
    parser.add_argument(
        "--cpu", type=float, default=CPU_S, help="CPU seconds after which no further seed is tried."
    )
    parser.add_argument(
        "--sound", action="store_true", help="Run the worlds with every guard in place: no rule may break."
    )
    options = parser.parse_args(arguments)
    chosen = [each for each in MUTANTS if _wanted(each, options.guards)]
    if options.sound:
        return _sound(chosen)
    found = []
    for mutant in chosen:
        found.append(hunt(mutant, options.cpu))
        if options.output == "table":
            print(_line(found[-1]), flush=True)
    lost = [each for each in found if not each.rule]
    if options.output == "json":
        json.dump([asdict(each) for each in found], sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        print(
            f"{len(found) - len(lost)} of {len(found)} mutants caught, {sum(each.cpu_s for each in found):.0f} s of CPU time."
        )
    return 1 if lost else 0


def _wanted(mutant: Mutant, words: list[str]) -> bool:
    return not words or any(word in mutant.guard for word in words)


def _line(found: Caught) -> str:
    said = found.rule or "NOT NOTICED"
    lines = [f"{found.guard:<44} {said:<46} {len(found.seeds):>3} seeds {found.cpu_s:>7.1f} s"]
    lines += [f"    seed {seed} broke another rule: {text}" for seed, text in found.others]
    return "\n".join(lines)


def _sound(chosen: list[Mutant]) -> int:
    broken = 0
    for mutant in chosen:
        result = world(mutant.look, mutant.look.seeds[0])
        broken += bool(result.violations)
        said = "; ".join(f"{each.rule}: {each.text}" for each in result.violations) or "every rule held"
        print(f"{mutant.guard:<44} {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
