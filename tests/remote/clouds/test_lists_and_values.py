"""Pages, values with their age, and what a machine carries."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.model.fleet.driver import InvalidRequest, Unavailable
from herder.remote.clouds.dated import Refreshed
from herder.remote.clouds.errors import PagesExpired
from herder.remote.clouds.facts import (
    Facts,
    check_worker,
    facts_in,
    label_value,
    machine_name,
)
from herder.remote.clouds.pages import Page, all_pages
from tests.remote.clouds.test_client import Clock


def _next(page: Page) -> str:
    return str(page.get("next", ""))


def test_pages_are_followed_to_the_last() -> None:
    pages = {"": {"next": "b"}, "b": {"next": "c"}, "c": {}}
    assert all_pages(pages.__getitem__, _next, "listing") == list(pages.values())


def test_a_token_that_expires_starts_the_list_anew_once() -> None:
    asked: list[str] = []

    def fetch(token: str) -> Page:
        asked.append(token)
        if asked == ["", "b"]:
            raise PagesExpired("The token has expired.")
        return {"next": "" if token else "b", "items": len(asked)}

    assert [page["items"] for page in all_pages(fetch, _next, "listing")] == [3, 4]

    def expired(token: str) -> Page:
        raise PagesExpired("The token has expired.")

    with pytest.raises(PagesExpired):
        all_pages(expired, _next, "listing")


def test_pages_without_an_end_are_an_error() -> None:
    with pytest.raises(Unavailable, match="repeats a page token while listing"):
        all_pages(lambda _token: {"next": "b"}, _next, "listing")
    with pytest.raises(Unavailable, match="more than 1,000 pages"):
        all_pages(lambda token: {"next": f"{token}x"}, _next, "listing")


def test_a_value_is_read_when_it_is_old_and_stays_when_it_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    away = Unavailable("The catalogue is away.")
    clock, answers = Clock(), [1, away, away, 2]

    def read() -> int:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    value = Refreshed(read, 60.0, clock)
    first = value.get()
    clock.ms += 59_000
    assert value.get() is first
    clock.ms += 1_000
    kept = value.get()
    assert (kept.value, kept.as_of_ms, kept.problem) == (1, first.as_of_ms, "The catalogue is away.")
    clock.ms += 60_000
    assert value.get().problem == kept.problem
    assert [each.getMessage() for each in caplog.records] == [
        "A value that the provider gave earlier is used: The catalogue is away."
    ], "it is logged once"
    clock.ms += 60_000
    newer = value.get()
    assert (newer.value, newer.as_of_ms - first.as_of_ms, newer.problem) == (2, 180_000, "")


def test_a_value_that_was_never_read_is_an_error() -> None:
    def read() -> int:
        raise Unavailable("The catalogue is away.")

    value = Refreshed(read, 60.0, Clock())
    for _ in range(2):
        with pytest.raises(Unavailable):
            value.get()


def test_others_get_the_old_value_while_one_reads() -> None:
    clock, reading, go_on = Clock(), threading.Event(), threading.Event()
    turns = iter((1, 2))

    def read() -> int:
        turn = next(turns)
        if turn == 2:
            reading.set()
            assert go_on.wait(10)
        return turn

    value = Refreshed(read, 60.0, clock)
    value.get()
    clock.ms += 60_000
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(value.get().value))
    thread.start()
    assert reading.wait(10)
    assert value.get().value == 1
    go_on.set()
    thread.join(10)
    assert found == [2]
    assert value.get().value == 2


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_and_labels_have_only_letters_that_every_cloud_allows(installation: str, worker: str) -> None:
    import re

    assert re.fullmatch(r"[a-z][-a-z0-9]{0,57}[a-z0-9]", machine_name(installation, worker))
    assert re.fullmatch(r"[a-z0-9][-a-z0-9_]{0,62}", label_value(worker))


def test_names_of_workers_that_look_alike_differ() -> None:
    names = {machine_name("ours", each) for each in ("Burst-1", "burst-1", "burst.1")}
    assert len(names) == 3
    assert machine_name("ours", "burst-1") != machine_name("theirs", "burst-1")


def test_facts_are_read_back_by_their_installation_only() -> None:
    facts = Facts(worker="burst-1-0", installation="ours", pool="burst", template="n2", zone="z", spot=True)
    assert facts_in(facts.text, "ours") == facts
    for text, installation in ((facts.text, "theirs"), ("", "ours"), ("[]", "ours"), ("{", "ours")):
        assert facts_in(text, installation) is None


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "w" * 251])
def test_a_name_that_no_worker_has_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_worker(name)
