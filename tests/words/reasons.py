"""All examples of reasons, refusals and events as one page of text. Run as a module it prints the page that `test_reasons.py` holds."""

import asyncio
import re
from pathlib import Path

from tests.words.engine import of_people, of_the_engine
from tests.words.jobs import batches, dependencies, preemption, refusals
from tests.words.plans import of_a_failing_trigger, of_planner
from tests.words.pods import of_pods

GOLDEN = Path(__file__).with_name("reasons.txt")

#: (kind, sentence) pairs by story.
Stories = list[tuple[str, list[tuple[str, str]]]]


async def made() -> Stories:
    stories: Stories = [
        (name, [(str(each.kind), each.text) for each in reasons]) for name, reasons in of_planner()
    ]
    stories += [(name, [(str(each.kind), each.text) for each in reasons]) for name, reasons in of_pods()]
    stories.append(("a_failing_trigger", [(str(each.kind), each.text) for each in of_a_failing_trigger()]))
    for name, reasons, events in of_the_engine():
        lines = [(str(each.kind), each.text) for each in reasons]
        stories.append((name, lines + [("event", text) for text in events if text != "jobs wait"]))
    for name, reasons in await of_people():
        stories.append((name, [(str(each.kind), each.text) for each in reasons]))
    stories += [
        ("refusals", refusals()),
        ("parents", dependencies()),
        ("batches", batches()),
        ("preemption", preemption()),
    ]
    return [(name, _distinct(lines)) for name, lines in stories]


def _distinct(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without those that differ in figures alone."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for kind, text in lines:
        found.setdefault((kind, re.sub(r"\d", "0", text)), (kind, text))
    return list(found.values())


def page(stories: Stories) -> str:
    lines = []
    for name, reasons in stories:
        lines += [f"[{name}]", *(f"{kind}: {text}" for kind, text in reasons), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(asyncio.run(made())), end="")
