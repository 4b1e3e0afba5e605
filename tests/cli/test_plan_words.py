"""A plan in words says what would change its limits."""

from typing import Any

import pytest

from herder.cli.views.plans import action_line, apply_lines, explanation_lines, with_flip
from herder.wire.api.resources import ApplyAnswer, Explanation, ReasonView


@pytest.mark.parametrize(
    "evidence", [[["live", 3], ["flips", "max_workers above 3"]], {"live": 3, "flips": "max_workers above 3"}]
)
def test_what_would_change_a_limit_stands_beside_it(evidence: Any) -> None:
    reason = {"kind": "at_maximum", "text": "it is full", "evidence": evidence}
    assert with_flip(reason) == "it is full [would change with: max_workers above 3]"


@pytest.mark.parametrize(
    "reason",
    [{"text": "why"}, {"text": "why", "evidence": []}, {"text": "why", "evidence": [["live", 1]]}, "why"],
)
def test_a_reason_without_one_stands_alone(reason: Any) -> None:
    assert with_flip(reason) == "why"


def test_an_action_names_zone_and_market_where_there_are_any() -> None:
    spec = {"name": "w", "pool": "p", "template": "two", "price_pico_per_hour": 30_000_000_000}
    plain = action_line({"action": "create", "spec": spec, "reason": {"text": "why"}})
    assert plain == "create worker w in p (two, $0.0300/h): why"
    sold = {**spec, "zone": "a", "spot": True}
    assert (
        action_line({"action": "create", "spec": sold})
        == "create worker w in p (two, zone a, spot, $0.0300/h)"
    )


def test_an_explanation_is_sentences_and_what_would_change_it() -> None:
    fact = ReasonView(kind="requested", text="why", evidence={"wanted": 3, "flips": "team-size below 3"})
    lines = explanation_lines(Explanation(subject="pool/p", summary="3 workers", facts=[fact]))
    assert [*lines][1] == "  - why [would change with: team-size below 3]"


def test_what_the_summary_says_is_not_said_again() -> None:
    frozen = "nothing is made in pool p: Driver gcp is frozen."
    facts = [
        ReasonView(kind="frozen", text=frozen, evidence={"jobs": 5, "flips": "herder driver unfreeze gcp"}),
        ReasonView(kind="fair_share", text="shared with 2 others", evidence={}),
        ReasonView(kind="frozen", text=frozen, evidence={}),
    ]
    found = Explanation(subject="job/7", summary=f"job 7 waits: {frozen}", facts=facts)
    assert [*explanation_lines(found)] == [
        f"job/7: job 7 waits: {frozen}",
        "  - frozen [would change with: herder driver unfreeze gcp]",
        "  - shared with 2 others",
    ]


def test_what_an_apply_adds_or_removes_has_no_empty_side() -> None:
    sharing = {
        "projects.a.cohort": (None, "x"),
        "projects.b.cohort": ("x", None),
        "projects.c.cohort": ("x", "y"),
    }
    answer = ApplyAnswer(
        changes=[], price_per_hour_min_usd="0", price_per_hour_max_usd="1", dry_run=True, sharing=sharing
    )
    assert [*apply_lines(answer)][:3] == [
        '+ projects.a.cohort: "x"',
        '- projects.b.cohort: "x"',
        '~ projects.c.cohort: "x" → "y"',
    ]
