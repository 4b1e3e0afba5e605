"""One lie among the answers of a whole life: no error but those of drivers, no VM left over, doubled or of others touched (`lies.py`)."""

import pytest

from tests.drivers.mcp.lies import LIES, Life, Point, answers, points

#: Of a life: the clone, the end of a task, a configuration, a power state, the addresses, a listing, the stop, the removal.
TELLING = (1, 4, 5, 10, 11, 14, 15, 19, 27, 36, 41)


def test_a_life_without_lies() -> None:
    found = answers()
    kinds = {
        "clone_vm",
        "set_vm_config",
        "start_vm",
        "stop_vm",
        "delete_vm",
        "get_task_status",
        "list_node_tasks",
    }
    assert kinds < set(found)
    assert len(points()) == len(found) * len(LIES) * 4


@pytest.mark.parametrize(("turn", "lie"), list(enumerate(LIES)))
def test_a_lie_at_some_calls(turn: int, lie: str) -> None:
    for at in (TELLING[turn % len(TELLING)], TELLING[(turn + 5) % len(TELLING)]):
        Life(Point(at=at, lie=lie, acts=turn % 2 == 0, restarts=turn % 3 == 0)).run()


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [False, True])
def test_a_sample_of_all_lies(restarts: bool) -> None:
    for point in points()[int(restarts) :: 41]:
        Life(point).run()
