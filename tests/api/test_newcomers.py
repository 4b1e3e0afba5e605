"""What a newcomer types and reads: errors in the words of the command line, and outcomes that say what the exit code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from herder.cli.shell.main import build_app, run
from herder.wire.worker.exchange import LogChunk
from tests.api.conftest import POOLS, PlayedWorker, Server

JOB = {"runtime": "noop", "pool": "std", "cpu": "100m"}
Typed = Callable[..., str]


@pytest.fixture
def herder(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    monkeypatch.setenv("COLUMNS", "80")
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()

    def typed(*words: str, code: int = 0) -> str:
        got = run(build_app(), list(words))
        said = capsys.readouterr()
        assert got == code, said
        return said.out + said.err

    return typed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("job", "list", "sate:failed"), "error: SEARCH: "),
        (("job", "list", "--state", "broken"), "error: --state: "),
        (("batch", "list", "sate:failed"), "error: SEARCH: "),
        (("job", "submit", "--secret", "none=env:X", "--", "true"), "error: --secret: "),
        (("job", "submit", "--image", "debian:12"), "error: --image: "),
        (("job", "submit", "--pool", "none", "--", "true"), "error: --pool: "),
        (
            ("job", "submit", "--warm-python", "--", "true"),
            "error: command: The command of a job with warm_python",
        ),
    ],
)
def test_errors_name_what_was_typed(herder: Typed, words: tuple[str, ...], says: str) -> None:
    assert herder(*words, code=2).startswith(says)


def test_the_time_zone_of_a_schedule(herder: Typed, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("jobs: [{command: [a], pool: std}]\n")
    create = ("schedule", "create", "nightly", "--cron", "0 2 * * *", "--file", str(tmp_path / "jobs.yaml"))
    assert herder(*create, "--time-zone", "Berlin", code=2).startswith("error: --time-zone: ")
    herder(*create, "--time-zone", "Europe/Berlin")
    assert "TIME ZONE" in herder("schedule", "list").splitlines()[0]
    herder("schedule", "delete", "nightly", "--yes")


def test_a_search_in_outputs_shows_only_jobs_with_a_hit(
    server: Server, herder: Typed, worker: PlayedWorker
) -> None:
    made = server.http.post("/batches", json={"jobs": [JOB] * 3, "commit": True}).raise_for_status().json()
    taken = sorted(worker.take(3), key=lambda each: each.job)
    for each, text in zip(taken, ("fine\n", "an ERROR\n", "fine\n"), strict=True):
        worker.exchange(logs=[LogChunk(job=each.job, attempt=each.attempt, offset=0, text=text)])
    batch = ("job", "logs", "--batch", str(made["id"]))
    assert herder(*batch, "--search", "error") == f"==> job {taken[1].job} <==\nan ERROR\n"
    assert herder(*batch).count("==> job") == 3
    for each in taken:
        worker.end(each.job)
    ended = f"Job {taken[0].job} has already ended.\n"
    assert herder("job", "cancel", str(taken[0].job)) == ended, "nothing is asked where nothing would happen"


def test_the_end_of_a_batch_with_a_cancelled_group(
    server: Server, herder: Typed, worker: PlayedWorker
) -> None:
    jobs = [{**JOB, "group": "first"}, {**JOB, "pool": "big", "cpu": 8, "group": "second"}]
    batch = str(server.http.post("/batches", json={"jobs": jobs, "commit": True}).json()["id"])
    herder("batch", "cancel", batch, "--group", "second", "--yes")
    (given,) = worker.take(1)
    worker.end(given.job)
    assert herder("batch", "wait", batch, code=8).splitlines()[0] == (
        f"Batch {batch} ended: 1 cancelled, 1 succeeded."
    )


def test_a_wait_for_a_batch_that_is_kept_open_says_how_it_ends(herder: Typed, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("jobs: [{command: [a], pool: big}]\n")
    submit = ("batch", "submit", str(tmp_path / "jobs.yaml"), "--keep-open", "--wait", "--timeout", "1s")
    assert "so the wait ends after: herder batch close" in herder(*submit, code=7)
