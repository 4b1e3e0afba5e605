"""A rate card that looks like a mistyped built-in one is doubted."""

import pytest

from herder.settings import load_texts
from herder.settings.lint import lint


@pytest.mark.parametrize(
    ("card", "near"), [("extrnal", "external"), ("intrenal", "internal"), ("external", ""), ("clients", "")]
)
def test_a_mistyped_card_is_doubted(card: str, near: str) -> None:
    text = f"pools: {{}}\nprojects: {{alpha: {{rate_card: {card}}}}}\n"
    found = [str(each) for each in lint(load_texts([("h.yaml", text)])) if "Rate card" in str(each)]
    assert len(found) == bool(near)
    assert all(f"Did you mean '{near}'?" in each and "h.yaml:2:" in each for each in found)
