"""Phrases: plurals, lists, limits, signals, and sentences side by side."""

import pytest

from herder.model.values.phrases import (
    agree,
    at_limit,
    clause,
    counted,
    ended_with,
    listed,
    seconds_until,
    sentence,
    sentences,
    stopped,
)


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (1, "worker", "1 worker"),
        (0, "worker", "0 workers"),
        (1200, "job", "1,200 jobs"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_count_agrees_with_its_noun(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said
    assert agree(count, "is", "are") == ("is" if count == 1 else "are")


@pytest.mark.parametrize(
    ("items", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(items: list[str], said: str) -> None:
    assert listed(items) == said


@pytest.mark.parametrize(
    ("there", "limit", "said"),
    [
        (4, 4, "Pool p is at its limit: 4 of 4 workers exist"),
        (1, 1, "Pool p is at its limit: 1 of 1 workers exist"),
        (1, 3, "Pool p may have at most 3 workers (1 exists now)"),
        (3, 1, "Pool p is above its limit: 3 workers exist, and at most 1 may"),
        (0, 0, "Pool p may have no workers: its limit is 0"),
    ],
)
def test_limits(there: int, limit: int, said: str) -> None:
    assert at_limit("Pool p", there, limit) == said


def test_time_left_is_rounded_up_and_never_negative() -> None:
    assert [seconds_until(at, 1_000) for at in (1_001, 2_000, 0)] == ["1 s", "1 s", "0 s"]


def test_sentences_stand_side_by_side_each_with_one_full_stop() -> None:
    assert sentence("it failed") == "It failed."
    assert sentence("max_workers is 3") == "max_workers is 3."
    assert stopped("ann waits") == "ann waits."
    assert sentence("Why?") == "Why?"
    assert sentences("One", "", "Two.", "Three") == "One. Two. Three."
    assert clause("no route. ") == "no route"


@pytest.mark.parametrize(
    ("code", "said"), [(0, "exit code 0"), (3, "exit code 3"), (-15, "signal SIGTERM"), (-99, "signal 99")]
)
def test_how_a_process_ended(code: int, said: str) -> None:
    assert ended_with(code) == said
