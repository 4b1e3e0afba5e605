"""Templates of one pool whose sizes and prices contradict each other are told; those that differ in anything else are not."""

import pytest

from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.syntax.problems import Severity
from tests.words.rules import faults

BASE = "cpu: 4, memory: 8Gi"


def told(first: str, second: str) -> list[tuple[Severity, str]]:
    text = f"pools:\n  p:\n    templates: [{{name: a, {first}}}, {{name: b, {second}}}]\n    max_workers: 3\n"
    found = [each for each in lint(load_texts([("herder.yaml", text)])) if each.key == "pools.p.templates"]
    assert all(each.place.line == 3 and each.remedy for each in found)
    assert [each for problem in found for each in faults(f"{problem.message} {problem.remedy}")] == []
    return [(each.severity, each.message) for each in found]


def test_the_same_size_at_two_prices() -> None:
    assert told(f"{BASE}, price_per_hour: 0.12", f"{BASE}, price_per_hour: 0.24") == [
        (Severity.WARNING, "Templates 'a' and 'b' have the same size and different prices: $0.12/h and $0.24/h.")
    ]  # fmt: skip


def test_the_same_twice() -> None:
    assert told(f"{BASE}, price_per_hour: 0.12", f"{BASE}, price_per_hour: 0.12") == [
        (Severity.NOTE, "Templates 'a' and 'b' are the same but for their names.")
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_more_for_less(swapped: bool) -> None:
    small, large = f"{BASE}, price_per_hour: 0.24", "cpu: 8, memory: 8Gi, price_per_hour: 0.20"
    names = ("a", "b") if swapped else ("b", "a")
    assert told(*((large, small) if swapped else (small, large))) == [
        (Severity.WARNING, f"Template {names[0]!r} is larger than {names[1]!r} and costs no more: $0.20/h and $0.24/h.")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{BASE}, price_per_hour: 0.12", "cpu: 8, memory: 16Gi, price_per_hour: 0.24"),
        (f"{BASE}, price_per_hour: 0.24", "cpu: 8, memory: 4Gi, price_per_hour: 0.12"),  # neither is larger
        (f"{BASE}, price_per_hour: 0", "cpu: 8, memory: 16Gi, price_per_hour: 0"),
        (f"{BASE}, price_per_hour: 0.12, labels: {{disk: nvme}}", f"{BASE}, price_per_hour: 0.24"),
        (f"{BASE}, price_per_hour: 0.12, slots: 5", f"{BASE}, price_per_hour: 0.24"),
    ],
)
def test_tiers_that_fit_together(first: str, second: str) -> None:
    assert told(first, second) == []
