"""Everything that waits goes on while the server restarts, says so, and ends with its time at the latest."""

import pytest

from herder.cli.output import waits
from herder.client.http import clock, tries
from tests.cli.conftest import Herder
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import batch, job, worker

NAME = "burst-7-1"
ENDED = "2026-01-01T01:00:00Z"
AWAY = 12
"""Calls that a server which restarts does not answer: more than one call is tried."""


def running(api: FakeApi) -> None:
    text = f"Worker {NAME} is being drained: 0 of 1 attempt has ended."
    api.workers[NAME] = worker(NAME, cordoned=True, drain="draining", drain_text=text)
    api.jobs[17] = job(17, state="running")
    api.batches[3] = batch(3)


def end(api: FakeApi, removal: bool) -> None:
    text = f"Worker {NAME} is drained: nothing runs on it."
    api.workers[NAME] = (
        worker(NAME, state="terminated", ended_at=ENDED)
        if removal
        else worker(NAME, cordoned=True, drain="drained", drain_text=text)
    )
    api.jobs[17] = job(17)
    for each in api.batches.values():
        each.state, each.counts = "succeeded", {"succeeded": each.jobs}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "spread", lambda seconds: 0.001)
    monkeypatch.setattr(waits, "LOOK_S", 0.01)
    monkeypatch.setattr(tries, "TELL_AFTER_S", 0.0)


@pytest.mark.parametrize("failure", [0, 503], ids=["nothing listens", "it starts"])
@pytest.mark.parametrize(
    ("words", "answered"),
    [
        ("worker drain burst-7-1 --wait --yes", 2),
        ("worker drain burst-7-1 --timeout 10m --wait --yes", 2),
        ("worker drain burst-7-1 --wait --yes", 1),
        ("worker remove burst-7-1 --wait --yes", 2),
        ("job wait 17", 1),
        ("job wait 17 --timeout 5m", 1),
        ("job wait 17 17", 1),
        ("job submit --wait -- true", 1),
        ("job submit --follow -- true", 1),
        ("job logs 17 --follow", 1),
        ("job logs 17 --attempt 1 --follow", 1),
        ("batch wait 3", 1),
        ("batch submit jobs.yaml --wait", 1),
        ("events --follow --limit 3", 1),
    ],
)
def test_a_wait_goes_on_while_the_server_restarts(
    api: FakeApi,
    herder: Herder,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    words: str,
    answered: int,
    failure: int,
) -> None:
    """The server answers so many calls, then it is away; meanwhile what was waited for ends."""
    running(api)
    with open("jobs.yaml", "w", encoding="utf-8") as file:
        file.write("jobs:\n  - command: [a]\n")
    api.fail = [*[None] * answered, *[failure] * AWAY]
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if not api.fail:
            end(api, removal="remove" in words)

    monkeypatch.setattr(clock, "sleep_s", pause)
    found = herder(*words.split())
    assert (found.code, api.fail) == (0, []), found.err
    assert ("does not answer" if failure == 0 else "told to fail with 503") in found.err
    assert "Trying again" in found.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("job wait 17 --timeout 300ms", "It is unknown whether job 17 has ended. The server at "),
        ("batch wait 3 --timeout 300ms", "It is unknown whether batch 3 has ended. The server at "),
        (
            "worker drain burst-7-1 --timeout 300ms --wait --yes",
            "It is unknown whether the drain of burst-7-1 has ended. The server at ",
        ),
        (
            "worker remove burst-7-1 --timeout 300ms --wait --yes",
            "It is unknown whether the removal of burst-7-1 has ended. The server at ",
        ),
    ],
)
def test_a_wait_for_a_server_that_does_not_come_back_ends_with_its_time(
    api: FakeApi,
    herder: Herder,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    sentence: str,
) -> None:
    running(api)
    monkeypatch.setattr(waits, "FAILOVER_S", 0.3)
    api.fail = [None, *([None] if "worker" in words else []), *[0] * 10_000]
    began_s = clock.monotonic_s()
    found = herder(*words.split())
    assert (found.code, clock.monotonic_s() - began_s < 10) == (7, True)
    assert f"error: {sentence}" in found.err


@pytest.mark.parametrize(
    "words", ["job wait 17", "worker list --watch", "job logs 17 --follow", "events --follow"]
)
def test_a_server_that_never_answered_is_not_waited_for(
    api: FakeApi, herder: Herder, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """It may be a wrong address."""
    monkeypatch.setattr(clock, "sleep_s", lambda seconds: None)
    api.fail = [0] * 1000
    assert herder(*words.split()).code == 6


def test_a_watch_goes_on_while_the_server_restarts(
    api: FakeApi, herder: Herder, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.fail = [None, *[0] * AWAY]

    def pause(seconds: float) -> None:
        if not api.fail:
            raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep_s", pause)
    found = herder("worker", "list", "--watch", "-o", "name")
    assert (found.code, found.out.splitlines()) == (130, [NAME, "burst-7-2"])
    assert "does not answer" in found.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Worker burst-7-1 is drained. It stays, and costs, until it is uncordoned or removed.", False),
        ("Worker burst-7-1 is drained: nothing runs on it.", False),
        (
            "Worker burst-7-1 is being drained: it is empty now, and 1 attempt is retried on other workers.",
            True,
        ),
    ],
)
def test_what_has_ended_at_once_is_told_once(api: FakeApi, herder: Herder, answer: str, said: bool) -> None:
    """The answer to the order is said before the end when it says something else."""
    text = f"Worker {NAME} is drained: nothing runs on it."
    api.workers[NAME] = worker(NAME, cordoned=True, drain="drained", drain_text=text)
    api.worker_answer = answer
    found = herder("worker", "drain", NAME, "--wait", "--yes")
    assert (found.code, found.out) == (0, f"{text}\n")
    assert found.err == (f"{answer}\n" if said else "")
