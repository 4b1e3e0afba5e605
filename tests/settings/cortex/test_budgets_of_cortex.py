"""The budgets of Cortex become those of Herder, and each contradiction of its configuration is found where the page says."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.ledger.budgets.spec import BudgetSpec
from herder.settings import SettingsError
from herder.settings.cortex.importing import imported, written
from herder.settings.imports.result import Imported, Kind
from herder.settings.lint import lint
from herder.settings.load import Settings, load_texts
from herder.settings.syntax.problems import Severity
from tests.settings.cortex import documented
from tests.words.rules import faults

HERE = Path(__file__)
HOW_TO = HERE.parents[3] / "docs" / "how-to"
POOLS = HERE.with_name("worker-pools.json")


def read(plain: Any) -> Imported:
    return imported(json.dumps(plain), "c.json")


def settings_of(found: Imported) -> Settings:
    return load_texts([("herder.yaml", written(found, "c.json"))])


def by_name(found: Settings) -> dict[str, BudgetSpec]:
    return {each.name: each for each in found.budgets}


def with_budgets(change: Callable[[Any], object]) -> dict[str, Any]:
    plain = copy.deepcopy(documented.budgets())
    change(plain)
    return {"budget_configuration": plain}


def test_the_budgets_are_those_of_the_file_to_apply() -> None:
    """The same as a person wrote them, with shares of 20, 60, 10 and 10 %."""
    made = settings_of(read(documented.costs()))
    table = load_texts([("table.yaml", (HOW_TO / "cortex-token-budgets.yaml").read_text())])
    assert by_name(made) == by_name(table)
    assert len(made.budgets) == 51
    assert [each for each in lint(made) if each.key.startswith("budgets")] == []


def test_what_a_budget_cannot_say_is_told() -> None:
    told = {each.path: (each.kind, each.text) for each in read(documented.costs()).findings}
    rest = "budget_configuration"
    assert told[f"{rest}.project_budgets.active_projects.0.end_date"] == (
        Kind.TO_DO,
        "A budget has no dates: run `herder budget delete k8s-cluster-migration --yes` after the project has ended.",
    )
    assert told[f"{rest}.organization.emergency_reserve_pct"] == (
        Kind.NOT_TAKEN,
        "It follows from the amounts.",
    )
    assert told[f"{rest}.meta_level.{{cortex_prime,coo}}.model"][0] is Kind.NOT_TAKEN
    ended = read(
        with_budgets(lambda plain: plain["project_budgets"]["active_projects"][0].update(status="closed"))
    )
    assert not any(name.startswith("k8s") for name in ended.plain["budgets"])
    assert any(each.text.startswith("The project is closed.") for each in ended.findings)


def test_an_amount_that_is_not_known_is_not_zero() -> None:
    made = by_name(
        settings_of(read(with_budgets(lambda plain: plain["divisions"]["workflows"].pop("daily_allocation"))))
    )
    assert (made["workflows"].limit, made["divisions"].limit) == (None, None)
    assert made["services"].limit == 100_000


def test_a_percentage_that_is_not_the_amount_is_told() -> None:
    found = read(with_budgets(lambda plain: plain["divisions"]["workflows"].update(pct_of_total=5)))
    told = {each.path: each.text for each in found.findings if each.kind is Kind.CONTRADICTION}
    assert (
        told["budget_configuration.divisions.workflows.pct_of_total"]
        == "5 % of 200,000 tokens are 10,000, and daily_allocation is 12,000."
    )
    assert by_name(settings_of(found))["workflows"].limit == 12_000


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (lambda plain: plain["organization"].update(currency="EUR"), "organization.currency", "Only tokens budgets"),
        (lambda plain: plain["organization"].update(budget_period="weekly"), "organization.budget_period", "Only daily budgets"),
        (lambda plain: plain["meta_level"]["coo"].update(priority="urgent"), "meta_level.coo.priority", "There is no priority 'urgent'"),
        (lambda plain: plain["divisions"]["workflows"].update(daily_allocation=1.5), "divisions.workflows.daily_allocation", "Expected a whole number"),
        (lambda plain: plain["meta_level"].update(tokens={"daily_allocation": 5}), "meta_level.tokens.daily_allocation", "Two budgets would be named tokens"),
        (lambda plain: plain.update(divisions=[1]), "divisions", "Expected an object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_path(
    change: Callable[[Any], object], key: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(with_budgets(change))
    problem = caught.value.problems[0]
    assert problem.key == f"budget_configuration.{key}"
    assert message in problem.message


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, each in children:
        yield (*before, key)
        yield from _paths(each, (*before, key))


PATHS = [*_paths(documented.budgets())]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**12), st.text(max_size=5), st.just([{"a": 1}]), st.just({"a": 1})
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PATHS), ODD)
def test_no_value_anywhere_breaks_the_import(path: tuple[Any, ...], value: Any) -> None:
    def change(plain: Any) -> None:
        for key in path[:-1]:
            plain = plain[key]
        plain[path[-1]] = value

    found = None
    with suppress(SettingsError):
        found = read(with_budgets(change))
    if found is not None:
        settings_of(found)


def test_each_contradiction_is_found_where_the_page_says() -> None:
    found = {"herder config import-cortex": set(), "herder config lint": set()}  # type: dict[str, set[str]]
    for plain in (json.loads(POOLS.read_text()), documented.costs()):
        result = read(plain)
        found["herder config import-cortex"] |= {
            each.path for each in result.findings if each.kind is Kind.CONTRADICTION
        }
        found["herder config lint"] |= {
            each.key for each in lint(settings_of(result)) if each.severity is not Severity.NOTE
        }
    page = {name: set() for name in found}  # type: dict[str, set[str]]
    for line in _section("What finds the contradictions").splitlines():
        match = re.fullmatch(r"\| .* \| `(herder config [a-z-]+)` \| `(.*)` \|", line)
        if match:
            page[match[1]].add(match[2])
    assert page == found


_POOL = "min_workers: 3, max_workers: 9, templates: [{name: t, cpu: 4, memory: 8Gi, price_per_hour: 0.24}]"
OWN = {
    "The minimum of a pool costs more than its budget.": f"{{pools: {{NAME: {{{_POOL}}}}}, budgets: {{NAME: {{scope: pool, limit: 500}}}}}}",
    "The minimums of several pools cost more than the budget above theirs.":
        f"{{pools: {{a: {{{_POOL}}}, b: {{{_POOL}}}}}, budgets: {{NAME: {{limit: 1000}}, a: {{scope: pool, limit: null, parent: NAME}}, b: {{scope: pool, limit: null, parent: NAME}}}}}}",
    "Budgets have more than the one above them, also by day and by month.":
        "{budgets: {NAME: {limit: 300}, a: {limit: 10, period: day, parent: NAME}}}",
    "Two templates of a pool have one size and different prices, or are the same.":
        "{pools: {NAME: {templates: [{name: a, cpu: 4, memory: 8Gi, price_per_hour: 1}, {name: b, cpu: 4, memory: 8Gi, price_per_hour: 2}]}}}",
    "A larger template costs no more than a smaller one.":
        "{pools: {NAME: {templates: [{name: a, cpu: 4, memory: 8Gi, price_per_hour: 1}, {name: b, cpu: 8, memory: 8Gi, price_per_hour: 1}]}}}",
    "ttl and its extensions are longer than ttl_max.": "{pools: {NAME: {templates: [small], ttl: 8h, ttl_max: 12h, extension: 2h, extensions_max: 3}}}",
    "The steps of a creation are longer than boot_timeout.":
        "{pools: {NAME: {templates: [small], boot_timeout: 300s, step_timeouts: {create: 200s, join: 200s}}}}",
    "provision_alert comes after the creation has ended.": "{pools: {NAME: {templates: [small], boot_timeout: 300s, provision_alert: 600s}}}",
    "A rung of a repair never comes.":
        "{pools: {NAME: {templates: [small], repair: [{condition: NotReady, after: 5m, rung: replace}, {condition: NotReady, after: 10m, rung: reboot}]}}}",
    "A job keeps its worker past the ttl.": "{pools: {NAME: {templates: [small], ttl: 4h, on_blocked: wait}}}",
}  # fmt: skip


def test_lint_finds_the_like_in_a_file_of_ones_own() -> None:
    page = _section("What finds the contradictions")
    rows = dict(re.findall(r"^\| (.*) \| `((?:budgets|pools)\.NAME\.[a-z_]+)` \|$", page, re.MULTILINE))
    assert rows.keys() == OWN.keys()
    for row, text in OWN.items():
        found = {each.key for each in lint(load_texts([("herder.yaml", text.replace("NAME", "mine"))]))}
        assert rows[row].replace("NAME", "mine") in found, row


def _section(heading: str) -> str:
    return (HOW_TO / "costs-of-cortex.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


def test_every_sentence_keeps_the_rules() -> None:
    texts = [each.text for each in read(documented.costs()).findings]
    assert [each for text in texts for each in faults(text)] == []
