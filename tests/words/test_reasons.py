"""Every kind of reason is made by the real code in a small world, and its exact sentence is held by `reasons.txt`.

After a change of sentences, `.venv/bin/python -m tests.words.reasons > tests/words/reasons.txt` writes the page anew: read the difference.
"""

import asyncio

import pytest

from herder.model.planning.plan import ReasonKind
from tests.words.reasons import GOLDEN, Stories, made, page
from tests.words.rules import faults

pytestmark = pytest.mark.failing_trigger


@pytest.fixture(scope="module")
def stories() -> Stories:
    return asyncio.run(made())


def test_the_sentences_are_those_of_the_page(stories: Stories) -> None:
    found = page(stories)
    assert found.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_every_kind_has_an_example(stories: Stories) -> None:
    kinds = {kind for _, lines in stories for kind, _ in lines}
    assert {str(kind) for kind in ReasonKind} - kinds == set()


def test_no_sentence_breaks_a_rule(stories: Stories) -> None:
    found = [(text, faults(text)) for _, lines in stories for _, text in lines]
    assert [each for each in found if each[1]] == []


@pytest.mark.parametrize(
    "text",
    [
        "pool p is full.",
        "Pool p is full",
        "Pool p has 1 workers.",
        "Pool p has 3 worker.",
        "Pool p has so many workers.",
        "Pool p is full. it waits.",
        "Its limit is None.",
        "It ended with -15.",
        "It used 0.123456 of its CPU.",
        "Pool p has most workers.",
    ],
)
def test_the_rules_find_what_they_are_for(text: str) -> None:
    assert faults(text)
