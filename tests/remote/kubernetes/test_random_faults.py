"""Whatever happens to the objects and to the API in whatever order: in the end an informer knows what the server knows, and never dropped
anything that was there."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.remote.kubernetes.informer import Pace
from herder.simulate.chaos.hosts.loop import VirtualLoop
from tests.remote.kubernetes.scripted import Api, expired, status, too_large
from tests.remote.kubernetes.test_informer import Running

_NAMES = st.sampled_from("abcde")
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _NAMES, st.sampled_from(["burst", "spot"])),
        st.tuples(st.sampled_from(["new", "delete", "missed"]), _NAMES, st.just("")),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 1.0, 80.0, 700.0]), st.just("")),
        st.tuples(
            st.sampled_from(
                ["cut", "end", "forget", "bookmark", "silent", "loud", "500", "410", "504", "repeat"]
            ),
            st.just(""),
            st.just(""),
        ),
    ),
    max_size=25,
)


@given(_STEPS, st.sampled_from([1, 2, 10]))
@settings(max_examples=150, deadline=None)
def test_in_the_end_it_knows_what_the_server_knows(steps: list[tuple[str, Any, str]], page: int) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(_story(steps, page))
    finally:
        loop.clear_away()


async def _story(steps: list[tuple[str, Any, str]], page: int) -> None:
    api = Api()
    api.put("a")
    running = Running(api, pace=Pace(page=page))
    for kind, what, label in steps:
        if kind == "wait":
            await asyncio.sleep(what)
        else:
            _happens(api, kind, what, label)
    api.silent = False
    # Longer than the longest pause, and than two silences in a row.
    await asyncio.sleep(400)
    assert running.informer.fault == "" or "has sent nothing" in running.informer.fault
    known = {key: (item.metadata.uid, item.metadata.labels) for key, item in running.kept.now.items()}
    there = {key: (item["metadata"]["uid"], item["metadata"]["labels"]) for key, item in api.objects.items()}
    assert known == there
    await running.close()


def _happens(api: Api, kind: str, what: str, label: str) -> None:
    """`missed`: it is deleted while no watch runs, and the version of before is not kept."""
    if kind == "put":
        api.put(what, pool=label)
    elif kind in ("new", "delete", "missed") and what in api.objects:
        if kind == "missed":
            api.end_watches(httpx.ReadError("cut"))
        api.delete(what)
        if kind == "missed":
            api.forget()
        if kind == "new":
            api.put(what)
    elif kind in _FAULTS:
        _FAULTS[kind](api)


def _repeat(api: Api) -> None:
    for name in api.objects:
        api.tell("MODIFIED", api.objects[name])


def _fail(*answers: tuple[Any, Any]) -> Callable[[Api], None]:
    def add(api: Api) -> None:
        for list_answer, watch_answer in answers:
            if list_answer is not None:
                api.list_faults.append(list_answer())
            api.watch_faults.append(watch_answer())

    return add


def _silent(api: Api) -> None:
    api.silent = True


def _loud(api: Api) -> None:
    api.silent = False


_FAULTS: dict[str, Callable[[Api], None]] = {
    "cut": lambda api: api.end_watches(httpx.ReadError("cut")),
    "end": lambda api: api.end_watches(),
    "forget": Api.forget,
    "bookmark": Api.bookmark,
    "silent": _silent,
    "loud": _loud,
    "500": _fail((lambda: status(500, "busy"), lambda: httpx.ConnectError("refused"))),
    "410": _fail((expired, expired)),
    "504": _fail((None, too_large)),
    "repeat": _repeat,
}
