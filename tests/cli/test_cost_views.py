"""Costs as people read them: what has no rate is not zero, and why a day cost more names who."""

from herder.cli.views.costs import groups_view
from herder.cli.views.savings import change_lines
from herder.wire.api.cost_changes import ChangedGroup, ChangeView, CostChange
from herder.wire.api.costs import CostGroup


def test_a_group_without_any_rate_is_unpriced_and_not_zero() -> None:
    cost = next(each for each in groups_view(["resource"]).columns if each.header == "COST")
    unknown = CostGroup(values={"resource": "storage.hot"}, cost_usd="0", unpriced={"storage.hot": "3"})
    assert cost.show(unknown, 0) == "unpriced"
    assert cost.show(CostGroup(values={"resource": "cpu"}, cost_usd="0"), 0) == "$0.0000"


def _by(dimension: str, *groups: str) -> ChangeView:
    rows = [ChangedGroup(group=each, usual_usd="0", actual_usd="2", change_usd="2") for each in groups]
    return ChangeView(dimension=dimension, explains=True, named=len(rows), groups=rows)


def test_why_names_the_projects_and_users_first_and_leaves_out_what_says_nothing() -> None:
    found = CostChange(
        day="2026-11-28",
        usual_usd="0",
        actual_usd="4",
        change_usd="4",
        unpriced=False,
        by=[
            _by("kind", "metered"),
            _by("market", ""),
            _by("pool", ""),
            _by("project", "client", "alpha"),
            _by("user", "ann", "bob"),
        ],
    )
    headings = [line for line in change_lines(found) if line.startswith("By ")]
    assert headings == ["By project", "By user", "By kind"]
