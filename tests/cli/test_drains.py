"""`worker drain` and `worker remove` of one, several and all workers of a pool, and what waiting for them shows."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from herder.cli.input import worker_selection
from herder.cli.output import waits
from herder.wire.api.resources import WorkerView
from tests.cli.conftest import Herder
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import worker

NAME = "burst-7-1"
HALF = f"Worker {NAME} is being drained: 1 of 2 attempts have ended, and job 17 runs for 12 min more at most."
STAYS = (
    f"Worker {NAME} is drained: nothing runs on it. It stays, and costs, until it is uncordoned or removed."
)
BLOCKED = f"The drain of worker {NAME} is blocked: its deadline passed 5 s ago, and 1 attempt still runs: job 17 (for 60 s)."


def looks(api: FakeApi, *views: WorkerView) -> None:
    for view in views:
        api.worker_looks.setdefault(view.name, []).append(view)


def seen(word: str, text: str, name: str = NAME, **more: Any) -> WorkerView:
    return worker(name, cordoned=True, drain=word, drain_text=text, **more)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "LOOK_S", 0.01)
    monkeypatch.setattr(waits, "TELL_S", 0.0)


def test_what_is_asked_for_is_sent(api: FakeApi, herder: Herder) -> None:
    herder("worker", "drain", NAME, "--timeout", "10m", "-m", "disk", "--yes")
    herder("worker", "drain", NAME, "--force", "--yes")
    assert api.bodies(f"/api/v1/workers/{NAME}/drain") == [
        {"message": "disk", "timeout_s": 600.0},
        {"force": True},
    ]


def test_several_workers_and_those_of_a_pool(api: FakeApi, herder: Herder) -> None:
    found = herder("worker", "remove", NAME, "burst-7-2", NAME, "--yes")
    assert found.out.splitlines() == ["remove of burst-7-1: 1 job runs", "remove of burst-7-2: 1 job runs"]
    api.workers["burst-7-2"] = seen("drained", "", "burst-7-2")
    assert herder("worker", "drain", "--pool", "burst", "--yes", "-o", "name").out == f"{NAME}\n"
    assert herder("worker", "remove", "--pool", "burst", "--yes", "-o", "name").out == f"{NAME}\nburst-7-2\n"
    assert herder("worker", "drain", "--pool", "permanent", "--yes").code == 3
    assert herder("worker", "drain", "--pool", "permanent", NAME, "--yes").code == 2
    assert herder("worker", "drain", "--yes").code == 2


def test_a_pool_with_too_many_workers_is_refused_as_a_whole(
    api: FakeApi, herder: Herder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_selection, "SELECTED_MAX", 1)
    api.workers["burst-7-2"] = worker("burst-7-2")
    found = herder("worker", "remove", "--pool", "burst", "--yes")
    assert (found.code, "Pool burst has more than 1 worker." in found.err) == (2, True)
    assert not api.bodies(f"/api/v1/workers/{NAME}/remove")


def test_one_of_several_is_unknown(herder: Herder) -> None:
    found = herder("worker", "drain", NAME, "nobody", "--yes")
    assert (found.code, found.out) == (8, "drain of burst-7-1: 1 job runs\n")
    assert "nobody" in found.err


def test_waiting_for_a_drain_tells_how_far_it_is(api: FakeApi, herder: Herder) -> None:
    looks(api, seen("draining", HALF), seen("draining", HALF), seen("drained", STAYS))
    found = herder("worker", "drain", NAME, "--wait", "--yes")
    assert (found.code, found.out) == (0, f"{STAYS}\n")
    assert found.err.splitlines() == [f"drain of {NAME}: 1 job runs", HALF]


def test_waiting_for_a_removal_goes_on_until_the_worker_has_ended(api: FakeApi, herder: Herder) -> None:
    looks(
        api,
        seen("drained", STAYS),
        seen("", "Worker burst-7-1 runs nothing, and driver local removes its machine.", state="terminating"),
        worker(NAME, state="terminated", ended_at="2026-01-01T01:00:00Z"),
    )
    found = herder("worker", "remove", NAME, "--wait", "--yes", "-o", "json")
    assert (found.code, json.loads(found.out)["text"]) == (0, f"Worker {NAME} was removed.")


def test_a_blocked_drain_ends_the_waiting_with_a_code_of_its_own(api: FakeApi, herder: Herder) -> None:
    looks(api, seen("draining", HALF), seen("blocked", BLOCKED))
    found = herder("worker", "drain", NAME, "--wait", "--yes")
    assert (found.code, found.out) == (7, "")
    assert found.err.splitlines()[-2:] == [f"error: {BLOCKED}", "The drain continues."]


def test_a_blocked_removal_is_called_a_removal(api: FakeApi, herder: Herder) -> None:
    looks(api, seen("draining", HALF), seen("blocked", BLOCKED))
    found = herder("worker", "remove", NAME, "--wait", "--yes")
    assert (found.code, found.err.splitlines()[-2:]) == (7, [f"error: {BLOCKED}", "The removal continues."])
    looks(api, seen("draining", HALF), worker(NAME))
    found = herder("worker", "remove", NAME, "--wait", "--yes")
    assert (found.code, f"The removal of worker {NAME} was ended; it gets new work" in found.err) == (4, True)


def test_one_that_is_blocked_is_waited_for_as_long_as_another_goes_on(api: FakeApi, herder: Herder) -> None:
    looks(api, seen("blocked", BLOCKED), seen("blocked", BLOCKED), seen("drained", STAYS))
    other = "burst-7-2"
    looks(api, seen("draining", "…", other), seen("draining", "…", other), seen("drained", "Done.", other))
    found = herder("worker", "drain", NAME, other, "--wait", "--yes")
    assert (found.code, found.out.splitlines()) == (0, [STAYS, "Done."])
    assert f"0 of 2 workers done. {BLOCKED}" in found.err.splitlines()


def test_a_drain_that_somebody_ended_is_a_conflict(api: FakeApi, herder: Herder) -> None:
    looks(api, seen("draining", HALF), worker(NAME))
    found = herder("worker", "drain", NAME, "--wait", "--yes")
    assert found.code == 4
    assert "was ended; it gets new work again" in found.err


def test_ctrl_c_ends_the_waiting_and_says_how_the_drain_goes_on(
    api: FakeApi, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    api.workers[NAME] = seen("draining", HALF)
    process = spawn("worker", "drain", NAME, "--wait", "--yes")
    for _ in range(500):
        if any((method, path) == ("GET", f"/api/v1/workers/{NAME}") for method, path, _, _ in api.calls):
            break
        time.sleep(0.02)
    time.sleep(0.2)  # the answer is on its way
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[1:] == [
        HALF,
        f"error: Stopped waiting; the drain of {NAME} continues.",
        f"Continue with `herder worker drain {NAME} --wait --yes`.",
    ]


def test_lists_show_what_a_drain_is_at(api: FakeApi, herder: Herder) -> None:
    api.workers = {
        "a": seen("draining", HALF, "a"),
        "b": seen("drained", STAYS, "b"),
        "c": worker("c", state="draining", drain="draining"),
        "d": worker("d", state="draining", drain="blocked"),
        "e": worker("e", cordoned=True),
    }
    rows = [row.split()[:2] for row in herder("worker", "list", "--no-headers").out.splitlines()]
    assert rows == [
        ["a", "ready,draining"], ["b", "ready,drained"], ["c", "draining"], ["d", "draining,blocked"], ["e", "ready,cordoned"],
    ]  # fmt: skip
    assert STAYS in herder("worker", "get", "b").out


@pytest.mark.parametrize(
    ("words", "field", "option"),
    [
        ("worker extend burst-7-1 --by 0s", "extend_s", "--by"),
        ("worker extend burst-7-1 -m x", "message", "--message"),
        ("worker cordon burst-7-1 -m x", "message", "--message"),
        ("worker uncordon burst-7-1 -m x", "message", "--message"),
        ("worker drain burst-7-1 --timeout 1h --yes", "timeout_s", "--timeout"),
        ("worker remove burst-7-1 --timeout 1h", "timeout_s", "--timeout"),
        ("worker remove burst-7-1 --yes -m x", "message", "--message"),
        ("worker add burst --uses 5", "uses", "--uses"),
        ("worker add burst --expires 1s", "expires_in_s", "--expires"),
        ("worker add burst --template x", "template", "--template"),
        ("pool scale burst 1 --ttl 0s", "ttl_s", "--ttl"),
        ("pool scale burst 1 --template x", "template", "--template"),
        ("token create ann --expires 1s", "expires_in_s", "--expires"),
        ("token create ann --role user", "role", "--role"),
    ],
)
def test_what_the_server_refuses_is_told_with_the_name_of_the_option(
    api: FakeApi, herder: Herder, words: str, field: str, option: str
) -> None:
    api.refuse = (field, "That is too much.")
    found = herder(*words.split())
    assert found.code == 2
    assert found.err.startswith(f"error: {option}: That is too much.")


def test_force_and_a_timeout_exclude_each_other_before_anything_is_asked(
    api: FakeApi, herder: Herder
) -> None:
    for verb in ("drain", "remove"):
        found = herder("worker", verb, NAME, "--force", "--timeout", "5m", "--yes")
        assert found.code == 2
        assert found.err.startswith("error: --force and --timeout exclude each other")
    assert api.calls == []
