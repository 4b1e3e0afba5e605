"""Attempts in real containers, through a real Podman: output, results, limits, users, stopping, images, and what is left of a crash."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.agent.containers.engine import Engine
from herder.wire.api.secrets import Delivered, SecretsAnswer
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer
from tests.support.container_engine import IMAGE, Podman, lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    with podman() as made:
        yield made


@pytest.fixture
async def agent(start_agent: StartAgent, engine: Podman) -> AsyncIterator[None]:
    started = start_agent(
        container_engine=engine.address, container_mounts=("/usr",), container_host_network=True
    )
    yield
    started.leave.set()
    await started.left(30)
    assert engine.containers() == []


def job(server: FakeServer, number: int, *command: str, **more: Any) -> tuple[int, int]:
    options = more.pop("container", {})
    how = {"memory_mib": 64, **more}
    return server.assign(
        number, runtime="container", command=list(command), image=IMAGE, container=options, **how
    )


async def until(found: Any, limit_s: float = 30) -> None:
    async with asyncio.timeout(limit_s):
        while not found():
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("agent")
async def test_its_output_and_its_result_come_back(server: FakeServer) -> None:
    script = 'echo out; echo err >&2; cat data/in.txt; pwd; echo "{\\"answer\\": 42}" > $HERDER_RESULT; echo $A $HERDER_JOB_ID'
    key = job(server, 7, "sh", "-c", script, env={"A": "b c"}, inputs={"data/in.txt": "hello\n"})
    end = await server.end_of(key, 30)
    assert (end.state, end.exit_code, bytes(end.result), end.message) == (
        "succeeded",
        0,
        b'{"answer": 42}',
        "",
    )
    # An engine promises no order between the two streams.
    lines = server.logs.get(key, "").splitlines()
    lines.remove("err")
    assert lines == ["out", "hello", "/herder/scratch", "b c 7"]
    assert end.ended_at_ms > end.started_at_ms


@pytest.mark.usefixtures("agent")
async def test_secrets_are_variables_and_files_of_the_container(server: FakeServer) -> None:
    values = [
        Delivered(name="db", value=b"a password", env="DB"),
        Delivered(name="key", value=b"of gold", file="keys/id"),
    ]
    keys = []
    for number, user in ((1, ""), (2, "1000:1000")):
        server.secrets[number, 1] = SecretsAnswer(values=values)
        script = 'echo "$HERDER_SECRETS"; stat -c %a $HERDER_SECRETS/keys/id; [ "$DB $(cat $HERDER_SECRETS/keys/id)" = "a password of gold" ] && echo $DB'
        keys.append(job(server, number, "sh", "-c", script, container={"user": user}, secret=True))
    before = set(Path("/dev/shm").glob("herder-secrets-*/*"))
    for key, mode in zip(keys, ("444", "400"), strict=True):
        end = await server.end_of(key, 30)
        assert (end.state, end.message) == ("succeeded", ""), server.logs.get(key)
        assert server.logs[key] == f"/herder/secrets\n{mode}\n**********\n"
    await until(lambda: set(Path("/dev/shm").glob("herder-secrets-*/*")) <= before)


@pytest.mark.usefixtures("agent")
async def test_an_exit_code_is_the_jobs_own(server: FakeServer) -> None:
    end = await server.end_of(job(server, 1, "sh", "-c", "exit 3"), 30)
    assert (end.state, end.cause, end.exit_code, end.message) == ("failed", "exit_code", 3, "Exit code 3.")


@pytest.mark.usefixtures("agent")
async def test_too_much_memory_is_seen_as_that(server: FakeServer) -> None:
    """A shell's variable doubles until the kernel ends it; runc does not report it."""
    script = "a=$(head -c 1000000 /dev/zero | cat -v); while true; do a=$a$a; done"
    end = await server.end_of(job(server, 1, "sh", "-c", script, memory_mib=32), 40)
    assert (end.state, end.cause, end.exit_code) == ("failed", "out_of_memory", 137)
    assert end.message == "Used 32 MiB of memory; the limit is 32 MiB. Request more memory."


@pytest.mark.usefixtures("agent")
async def test_its_timeout_ends_it(server: FakeServer) -> None:
    end = await server.end_of(job(server, 1, "sleep", "600", timeout_ms=500), 30)
    assert (end.state, end.cause, end.message) == (
        "failed",
        "timeout",
        "Ran longer than its timeout of 0.5 s.",
    )


@pytest.mark.usefixtures("agent")
async def test_cancelling_asks_first_and_kills_then(server: FakeServer) -> None:
    asked = job(
        server, 1, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    )
    deaf = job(server, 2, "sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done")
    await until(lambda: "ready" in server.logs.get(asked, "") and "ready" in server.logs.get(deaf, ""))
    server.cancel(asked)
    server.cancel(deaf)
    for key in (asked, deaf):
        assert (await server.end_of(key, 30)).state == "cancelled"
    assert server.logs.get(asked, "") == "ready\nbye\n"


@pytest.mark.usefixtures("agent")
async def test_an_image_that_is_not_there_is_an_error_of_the_job(server: FakeServer) -> None:
    never = server.assign(
        1, runtime="container", command=["true"], image="localhost/none:1", container={"pull": "never"}
    )
    gone = server.assign(2, runtime="container", command=["true"], image="127.0.0.1:9/none:1")
    end = await server.end_of(never, 30)
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert (
        end.message
        == "The image localhost/none:1 is not on this worker, and the job does not allow a pull (pull: never)."
    )
    end = await server.end_of(gone, 30)
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert end.message.startswith("The image 127.0.0.1:9/none:1 cannot be pulled: ")


@pytest.mark.usefixtures("agent")
async def test_a_command_that_is_not_there_is_an_error_of_the_job(server: FakeServer) -> None:
    end = await server.end_of(job(server, 1, "/no/such"), 30)
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert "/no/such" in end.message


@pytest.mark.usefixtures("agent")
async def test_user_workdir_entrypoint_mounts_and_network(server: FakeServer) -> None:
    options = {
        "user": "1234:1234",
        "workdir": "/tmp",
        "entrypoint": ["sh", "-c"],
        "network": "none",
        "mounts": [{"source": "/usr", "target": "/host", "read_only": True}],
    }
    script = "id -u; pwd; ls -d /host/bin; touch /host/x 2>/dev/null || echo denied; touch $HERDER_SCRATCH/mine && echo 1 > $HERDER_RESULT"
    key = job(server, 1, script, container=options)
    end = await server.end_of(key, 30)
    assert (end.state, bytes(end.result)) == ("succeeded", b"1"), end
    said = server.logs.get(key, "").splitlines()
    assert said == ["1234", "/tmp", "/host/bin", "denied"]


async def test_the_checkpoint_folder_is_found_again_by_the_next_attempt(
    server: FakeServer, start_agent: StartAgent, engine: Podman, tmp_path: Path
) -> None:
    start_agent(container_engine=engine.address, data_folders=(str(tmp_path),))
    data = {"mark": "m", "checkpoint": f"file://{tmp_path}/checkpoints/"}
    script = "echo $HERDER_CHECKPOINT_DIR; id -u; echo >> $HERDER_CHECKPOINT_DIR/steps; wc -l < $HERDER_CHECKPOINT_DIR/steps; exit {code}"
    for attempt, user, code in ((1, "1234", 3), (2, "1234", 0)):
        words = ("sh", "-c", script.format(code=code))
        key = job(server, 1, *words, attempt=attempt, data=data, container={"user": user})
        end = await server.end_of(key, 30)
        assert end.exit_code == code, end.message
        assert server.logs.get(key, "").split() == ["/herder/checkpoint", user, str(attempt)]
    assert list((tmp_path / "checkpoints").iterdir()) == []


async def test_mounts_and_the_network_of_the_machine_are_for_whom_the_worker_allows(
    server: FakeServer, start_agent: StartAgent, engine: Podman
) -> None:
    start_agent(container_engine=engine.address, container_mounts=("/usr/share",))
    mount = {"mounts": [{"source": "/usr/share/../lib", "target": "/x"}]}
    for number, (options, says) in enumerate(
        ((mount, "Allowed folders: /usr/share"), ({"network": "host"}, "the network of the host"))
    ):
        end = await server.end_of(job(server, number + 1, "true", container=options), 30)
        assert (end.state, end.cause) == ("failed", "start_failed")
        assert says in end.message


@pytest.mark.usefixtures("agent")
async def test_output_without_end_fills_no_disk(server: FakeServer, tmp_path: Path) -> None:
    """One line of a gigabyte and more: the head and the tail are kept."""
    key = job(
        server,
        1,
        "sh",
        "-c",
        "yes | head -c 30000000 | tr -d '\\n' 2>/dev/null || yes nothing | head -c 30000000",
    )
    end = await server.end_of(key, 50)
    assert end.state == "succeeded"
    await until(lambda: "bytes of output were omitted here" in server.logs.get(key, ""))
    assert len(server.logs.get(key, "")) < 3 * 2**20


async def test_what_an_agent_that_died_has_left_is_removed(
    server: FakeServer, start_agent: StartAgent, engine: Podman
) -> None:
    installation = f"test-{os.getpid()}"
    left = Engine(engine.address)
    labels = {"dev.herder.installation": installation, "dev.herder.agent": "1-1", "dev.herder.job": "5"}
    others = {**labels, "dev.herder.installation": "other"}
    for name, its in (("left", labels), ("others", others)):
        body = {"Image": IMAGE, "Cmd": ["sleep", "600"], "Labels": its, "HostConfig": {"NetworkMode": "none"}}
        await left.start(await left.create(name, body))
    await left.close()
    start_agent(container_engine=engine.address)
    assert (await server.end_of(job(server, 1, "true"), 30)).state == "succeeded"
    await until(lambda: engine.containers() == ["others"])
    engine.run("rm", "--force", "--time", "0", "others")


async def test_an_engine_that_does_not_answer_is_the_workers_trouble(
    server: FakeServer, start_agent: StartAgent, engine: Podman
) -> None:
    start_agent(container_engine=engine.address)
    first = await server.end_of(job(server, 1, "true"), 30)
    assert first.state == "succeeded", first
    engine.stop()
    try:
        end = await server.end_of(job(server, 2, "true"), 30)
        assert (end.state, end.cause) == ("failed", "infrastructure")
        assert end.message.startswith(f"The container engine at {engine.address} does not answer")
        await until(lambda: bool(server.troubles[-1]) and "container engine" in server.troubles[-1][0])
    finally:
        engine.start()
    await until(lambda: server.troubles[-1] == [])
    last = await server.end_of(job(server, 3, "true"), 30)
    assert last.state == "succeeded", last


async def test_a_container_outlives_a_restart_of_its_engine(
    server: FakeServer, start_agent: StartAgent, engine: Podman, tmp_path: Path
) -> None:
    start_agent(container_engine=engine.address)
    key = job(server, 1, "sh", "-c", "echo ready; sleep 3; echo 7 > $HERDER_RESULT")
    await until(lambda: "ready" in server.logs.get(key, ""))
    engine.stop()
    await asyncio.sleep(1)
    engine.start()
    end = await server.end_of(key, 40)
    assert (end.state, bytes(end.result)) == ("succeeded", b"7"), end
    assert engine.containers() == []


async def test_data_by_url_comes_into_the_container_and_out_of_it(
    server: FakeServer, start_agent: StartAgent, engine: Podman, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "x").write_text("x of a file\n")
    start_agent(container_engine=engine.address, data_folders=(str(store),))
    data = {
        "mark": "m",
        "inputs": [{"url": f"file://{store}/x", "path": "in/x"}],
        "outputs": [{"path": "out/*", "url": f"file://{store}/res/"}],
    }
    script = "mkdir out; cat in/x > out/y; id -u >> out/y"
    how: dict[str, Any] = {"memory_mib": 64, "image": IMAGE, "container": {"user": "1234"}}
    key = server.assign(1, runtime="container", data=data, command=["sh", "-c", script], **how)
    end = await server.end_of(key, 30)
    assert (end.state, end.message, end.bytes_in, end.bytes_out) == ("succeeded", "", 12, 17)
    assert (store / "res/y").read_text() == "x of a file\n1234\n"
    inputs = {"mark": "m", "inputs": [{"url": "http://169.254.169.254/latest", "path": "x"}]}
    key = server.assign(2, runtime="container", data=inputs, command=["true"], **how)
    refused = await server.end_of(key, 30)
    assert (refused.state, refused.cause) == ("failed", "start_failed")
    assert "uses data of 169.254.169.254, which this worker does not allow" in refused.message
    await until(lambda: not [*(tmp_path / "work").iterdir()])
