"""A leader is killed, stopped or cut off from the database: another server leads within 10 s, and nobody who works notices."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.failover.cuttable import Cuttable
from tests.failover.servers import Installation, until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]

TAKE_OVER_S = 10.0
JOB_S = 14


@pytest.fixture
def database(postgres_url: str) -> Iterator[Cuttable]:
    made = Cuttable(int(make_url(postgres_url).port or 5432))
    yield made
    made.mend()
    made.close()


@pytest.fixture
def servers(tmp_path: Path, postgres_url: str, database: Cuttable) -> Iterator[Installation]:
    through = make_url(postgres_url).set(host="127.0.0.1", port=database.port)
    made = Installation(tmp_path, postgres_url, through.render_as_string(hide_password=False))
    yield made
    made.close()


def submit(servers: Installation, server: object, key: str) -> int | None:
    """The number of a job that was accepted; None when it was not."""
    try:
        said = servers.call(server, "POST", "/jobs", key, json={"runtime": "noop", "pool": "std"})  # type: ignore[arg-type]
    except httpx.TransportError:
        return None
    assert said.status_code in (200, 503), said.text
    return int(said.json()["first_job"]) if said.status_code == 200 else None


TROUBLES = ["SIGKILL", "SIGSTOP", "the network is cut"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_another_server_takes_over_and_nobody_notices(
    servers: Installation, database: Cuttable, trouble: str, tmp_path: Path
) -> None:
    first, second = servers.first, servers.second
    agent = servers.add_agent()
    effects = tmp_path / "effects"
    script = f"echo begin >> {effects}; sleep {JOB_S}; echo end >> {effects}"
    client = servers.client(
        "job", "submit", "--wait", "--pool", "std", "-o", "json", "--", "sh", "-c", script
    )
    until(effects.exists, servers.agent_said)
    before = submit(servers, second, "k-before")
    assert before is not None, second.said()
    (epoch,) = servers.rows("SELECT epoch FROM leader")[0]

    began = time.monotonic()
    begin_trouble(trouble, servers, database)
    if trouble == "SIGKILL":
        reads_without_a_leader(servers)
    took_s = (
        time.monotonic()
        - began
        + until(lambda: submit(servers, second, "k-over") is not None, second.said, 30)
    )
    print(f"{trouble}: another server accepted a job after {took_s:.2f} s")
    assert took_s < TAKE_OVER_S, second.said()
    assert second.leads()
    assert servers.rows("SELECT epoch FROM leader") == [(epoch + 1,)]
    assert submit(servers, second, "k-before") == before, "once, through whomever and whenever"

    late = ()
    if trouble == "SIGKILL":
        first.process.wait(10)
        first.start()
        first.begun()
    else:
        late = come_back_late(trouble, servers, database)
    until(first.follows, first.said)
    assert servers.rows("SELECT epoch FROM leader") == [(epoch + 1,)], "it takes nothing back"

    out, errors = client.communicate(timeout=90)
    assert client.returncode == 0, (out, errors)
    assert effects.read_text() == "begin\nend\n"
    job = servers.call(
        first,
        "GET",
        f"/jobs/{json.loads(out)['id'] if isinstance(json.loads(out), dict) else json.loads(out)[0]['id']}",
    )
    assert "herder-as-of" in job.headers, "a follower says how old its answer is"
    assert (job.json()["state"], job.json()["attempts"]) == ("succeeded", 1)
    assert agent.poll() is None, servers.agent_said()
    keys = [
        row[0].partition("/")[2] for row in servers.rows("SELECT request FROM jobs WHERE request IS NOT NULL")
    ]
    assert keys.count("k-before") == keys.count("k-over") == 1
    accepted = {number for number in late if number is not None}
    assert accepted <= {row[0] for row in servers.rows("SELECT id FROM jobs")}
    assert servers.rows(
        "SELECT count(*) FROM events WHERE kind IN ('worker.failed', 'worker.unhealthy')"
    ) == [(0,)]
    assert servers.rows("SELECT count(*) FROM events WHERE kind = 'leader.changed'") == [(1,)]
    assert servers.call(second, "GET", "/invariants").json() == {"violations": []}


def reads_without_a_leader(servers: Installation) -> None:
    """Until the lease ends, the follower says what the store has, and of when that is."""
    said = servers.call(servers.second, "GET", "/status")
    assert said.status_code == 200, said.text
    assert said.json()["jobs"]["running"] in (1, 2)  # the one that was submitted last may run, too
    if not servers.second.leads():  # it may be as slow as that
        assert said.headers["herder-as-of"] == said.json()["as_of"]
        assert said.json()["attention"][0].startswith("No leader answers. This is the state of ")


def begin_trouble(trouble: str, servers: Installation, database: Cuttable) -> None:
    if trouble == "the network is cut":
        database.cut()
    else:
        servers.first.send(signal.SIGKILL if trouble == "SIGKILL" else signal.SIGSTOP)


def come_back_late(trouble: str, servers: Installation, database: Cuttable) -> list[int | None]:
    """Of a leader that is one no more. What it is asked meanwhile it either refuses or hands on."""
    first = servers.first
    if trouble == "the network is cut":
        assert submit(servers, first, "k-cut") is None
    rows = (
        "SELECT (SELECT max(sequence) FROM events), (SELECT max(id) FROM jobs), (SELECT instance FROM lease)"
    )
    before = servers.rows(rows)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(submit, servers, first, f"k-late-{number}") for number in range(4)]
        time.sleep(0.5)  # they are in its socket when it wakes up
        if trouble == "the network is cut":
            database.mend()
        else:
            first.send(signal.SIGCONT)
        answers = [call.result() for call in calls]
    assert servers.rows("SELECT instance FROM lease") == [(before[0][2],)]
    return answers


@pytest.mark.parametrize(
    "words", ["job submit --pool std -o json -- true", "user create ann -o json", "status"]
)
def test_a_command_finds_the_next_leader_when_the_one_that_it_knows_hangs(
    servers: Installation, words: str
) -> None:
    """It knows the addresses of all servers, and asks the one first that was stopped."""
    begun = servers.client("status")
    assert begun.communicate(timeout=30)[1] == ""
    servers.first.send(signal.SIGSTOP)
    began = time.monotonic()
    client = servers.client(*words.split())
    out, errors = client.communicate(timeout=60)
    took_s = time.monotonic() - began
    print(f"{words}: answered after {took_s:.2f} s; meanwhile: {errors}")
    assert client.returncode == 0, errors
    assert took_s < TAKE_OVER_S
    assert out
    assert f"The server at {servers.first.url} does not answer: timed out. Trying again." in errors
    if words.startswith("job"):
        assert servers.rows("SELECT count(*) FROM jobs") == [(1,)]


def test_an_orderly_stop_hands_over_at_once(servers: Installation) -> None:
    first, second = servers.first, servers.second
    first.send(signal.SIGTERM)
    began = time.monotonic()
    assert first.process.wait(20) == 0
    until(second.leads, second.said, 3)
    print(f"orderly stop: another server leads after {time.monotonic() - began:.2f} s")
    first.start()
    first.begun()
    until(first.follows, first.said)
    until(lambda: len(servers.call(second, "GET", "/status").json()["servers"]) == 2, second.said, 5)
    status = servers.client("status")
    out, errors = status.communicate(timeout=30)
    assert f"{second.url}: leader (epoch 2)" in out, errors
    assert f"{first.url}: follower" in out
    assert out.index(second.url) < out.index(first.url)


def test_a_leader_without_a_rival_goes_on_when_the_database_is_back(
    servers: Installation, database: Cuttable, tmp_path: Path
) -> None:
    """Longer away than its lease and than `dead_after`: it answers nothing meanwhile, and afterwards leads with the memory that it had."""
    first = servers.first
    servers.second.close()
    servers.add_agent(alone=True)
    effects = tmp_path / "effects"
    words = ["sh", "-c", f"echo begin >> {effects}; sleep 20; echo end >> {effects}"]
    job = servers.call(first, "POST", "/jobs", json={"command": words, "pool": "std"}).json()["first_job"]
    until(effects.exists, servers.agent_said)
    database.cut()
    until(lambda: first.health().get("role") == "unknown", first.said, 10)
    time.sleep(0.5)  # those who are connected are let go
    refused = servers.call(first, "GET", "/status")
    assert (refused.status_code, refused.json()["code"]) == (503, "not_leading")
    time.sleep(15)
    database.mend()
    until(first.leads, first.said, 10)
    assert servers.rows("SELECT epoch FROM leader") == [(1,)]
    done = until(
        lambda: servers.call(first, "GET", f"/jobs/{job}").json()["state"] == "succeeded", first.said
    )
    assert done < 30
    assert servers.call(first, "GET", f"/jobs/{job}").json()["attempts"] == 1
    assert effects.read_text() == "begin\nend\n"
    assert servers.rows("SELECT count(*) FROM events WHERE kind = 'worker.failed'") == [(0,)]
