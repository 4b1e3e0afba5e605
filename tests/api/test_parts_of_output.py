"""Parts of an output over the API: last lines, a search, a range of bytes, server-sent events that can be resumed."""

import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.control.reads.work.output_parts import last_lines, lines_with
from herder.wire.worker.exchange import LogChunk
from tests.api.conftest import PlayedWorker

TEXT = "one\nzwölf Boxkämpfer\nERROR three\nfour"


@pytest.fixture
def job(api: httpx.Client, worker: PlayedWorker) -> Iterator[int]:
    """A job that runs and has printed `TEXT`."""
    number = int(api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"])
    (given_,) = worker.take()
    worker.exchange(logs=[LogChunk(job=number, attempt=given_.attempt, offset=0, text=TEXT)])
    yield number
    worker.end(number, given_.attempt)


@given(st.text("ab\n"), st.integers(0, 5))
def test_last_lines_are_the_end_of_the_text(text: str, most: int) -> None:
    found = last_lines(text, most)
    assert text.endswith(found)
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else []
    wanted = lines[-most:] if most else []
    assert found.removesuffix("\n") == "\n".join(wanted)


@given(st.text("aB\n"))
def test_lines_with_a_text_are_all_of_them(text: str) -> None:
    assert lines_with(text, "AB").splitlines() == [line for line in text.split("\n") if "ab" in line.lower()]


def test_last_lines_say_where_they_begin(api: httpx.Client, job: int) -> None:
    answer = api.get(f"/jobs/{job}/logs", params={"tail": 2})
    assert answer.text == "ERROR three\nfour"
    at = int(answer.headers["herder-offset"])
    assert TEXT.encode()[at:].decode() == answer.text
    assert api.get(f"/jobs/{job}/logs", params={"offset": at}).text == answer.text
    assert api.get(f"/jobs/{job}/logs", params={"tail": 99}).text == TEXT
    assert api.get(f"/jobs/{job}/logs", params={"tail": 0}).text == ""


def test_a_search_answers_whole_lines(api: httpx.Client, job: int) -> None:
    assert api.get(f"/jobs/{job}/logs", params={"search": "error"}).text == "ERROR three\n"
    assert api.get(f"/jobs/{job}/logs", params={"search": "BOXKÄMPFER"}).text == "zwölf Boxkämpfer\n"
    assert api.get(f"/jobs/{job}/logs", params={"search": "o", "tail": 1}).text == "four\n"
    assert api.get(f"/jobs/{job}/logs", params={"search": "five"}).text == ""
    refused = api.get(f"/jobs/{job}/logs", params={"search": "x", "follow": "true"})
    assert (refused.status_code, refused.json()["field"]) == (422, "search")


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [("bytes=0-2", 0, 3), ("bytes=4-", 4, None), ("bytes=-4", -4, None), ("bytes=5-9999", 5, None)],
)
def test_a_range_of_bytes_is_answered_alone(
    api: httpx.Client, job: int, wanted: str, begin: int, end: int | None
) -> None:
    answer = api.get(f"/jobs/{job}/logs", headers={"Range": wanted})
    data = TEXT.encode()
    assert (answer.status_code, answer.content) == (206, data[begin:end])
    first = begin % len(data)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(data[begin:end]) - 1}/{len(data)}"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "lines=1-2", "bytes=-", "bytes=0-1,3-4", "nonsense"])
def test_what_is_no_range_of_bytes_is_passed_over(api: httpx.Client, job: int, wanted: str) -> None:
    answer = api.get(f"/jobs/{job}/logs", headers={"Range": wanted})
    assert (answer.status_code, answer.text) == (200, TEXT)
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("wanted", ["bytes=9999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(api: httpx.Client, job: int, wanted: str) -> None:
    answer = api.get(f"/jobs/{job}/logs", headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(TEXT.encode())}"
    assert answer.json()["detail"] == "The output has 39 bytes: the range is beyond its end."


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events; what only says that the stream is alive is passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and fields:
            yield fields
            fields = {}
        elif line and name:
            fields[name] = value


def test_events_follow_the_output_and_go_on_where_they_broke_off(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    job = int(api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"])
    (given_,) = worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=0, text="one\nzw")])
    asked = {"Accept": "text/event-stream"}
    path, query = f"/jobs/{job}/logs", {"follow": "true"}
    with api.stream("GET", path, params=query, headers=asked, timeout=40) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        first = next(frames(answer.iter_lines()))
    assert (first["event"], first["id"]) == ("output", "1-6")
    assert json.loads(first["data"]) == {"attempt": 1, "text": "one\nzw"}
    again = {**asked, "Last-Event-ID": first["id"]}
    with api.stream("GET", path, params=query, headers=again, timeout=40) as answer:
        worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=6, text="ölf\n")])
        more = frames(answer.iter_lines())
        assert json.loads(next(more)["data"]) == {"attempt": 1, "text": "ölf\n"}
        worker.end(job, given_.attempt)
        assert [each["event"] for each in more] == ["end"]


def test_an_output_is_followed_from_its_last_lines_on(api: httpx.Client, worker: PlayedWorker) -> None:
    job = int(api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"])
    (given_,) = worker.take()
    worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=0, text="one\ntwo\n")])
    with api.stream("GET", f"/jobs/{job}/logs", params={"follow": "true", "tail": 1}, timeout=40) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "two"
        worker.exchange(logs=[LogChunk(job=job, attempt=1, offset=8, text="three\n")])
        assert next(lines) == "three"
        worker.end(job, given_.attempt)
        assert list(lines) == []
