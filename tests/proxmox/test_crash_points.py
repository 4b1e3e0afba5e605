"""A server that dies at a call of Proxmox or at a commit leaves nothing behind and doubles no VM (`crash_story.py`)."""

import pytest

from tests.proxmox.crash_story import Point, all_points, different, run, told

PARTS = 8
#: Of the everyday sample: where a clone, its configuration, a start and a removal are between two answers.
SAMPLE = (
    "after POST upload",
    "after POST clone",
    "after POST config",
    "after POST start",
    "after POST reset",
    "after DELETE qemu",
)


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return all_points()


def test_the_story_has_every_call_of_the_driver(
    points: list[Point], capsys: pytest.CaptureFixture[str]
) -> None:
    called = {point.what.removeprefix("before ") for point in points if point.what.startswith("before ")}
    verbs = {
        "POST upload",
        "POST clone",
        "POST config",
        "PUT resize",
        "POST start",
        "PUT config",
        "POST reset",
        "POST stop",
    }
    assert called > verbs | {
        "DELETE qemu",
        "GET resources",
        "GET status",
        "GET config",
        "GET current",
        "GET content",
    }
    with capsys.disabled():
        print(f"\n{told(points, 0)}")


@pytest.mark.parametrize("what", SAMPLE)
def test_a_server_that_dies_there_leaves_nothing(points: list[Point], what: str) -> None:
    number = next(point.number for point in points if point.what == what)
    assert run(number).died_at == what


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_a_server_that_dies_anywhere_leaves_nothing(points: list[Point], part: int) -> None:
    """At each state that a restarted server could find; points between two changes of cluster and store are one."""
    for point in different(points)[part::PARTS]:
        world = run(point.number)
        assert (world.died_at, world.stats["crashes"]) == (point.what, 1), point
