"""Nothing is lost and nothing doubled, whatever happens to the calls; and the agent leaves when it should."""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from herder.agent.main import ExitCode
from herder.wire.worker.exchange import ExchangeRequest
from tests.agent.conftest import RunningAgent, StartAgent, processes_with
from tests.agent.fake_server import FakeServer, Fault


async def test_a_thousand_jobs_in_a_few_exchanges(server: FakeServer, agent: RunningAgent) -> None:
    keys = [server.assign(job, "noop") for job in range(1000)]
    await server.until(lambda: len(server.finished) == len(keys))
    assert {end.state for end in server.finished.values()} == {"succeeded"}
    assert server.exchanges < 20


async def test_noop_sleeps_times_out_and_is_cancelled(server: FakeServer, agent: RunningAgent) -> None:
    slept = server.assign(1, "noop", sleep_ms=150)
    late = server.assign(2, "noop", sleep_ms=60_000, timeout_ms=50)
    cancelled = server.assign(3, "noop", sleep_ms=60_000)
    bad = server.assign(4, "noop", sleep_ms="long")
    end = await server.end_of(slept)
    assert end.state == "succeeded"
    assert end.ended_at_ms - end.started_at_ms >= 149
    assert (await server.end_of(late)).cause == "timeout"
    assert (await server.end_of(bad)).cause == "start_failed"
    await server.until(lambda: cancelled in server.started)
    server.cancel(cancelled)
    assert (await server.end_of(cancelled)).state == "cancelled"


@pytest.mark.parametrize("seed", range(6))
async def test_no_result_is_lost_or_doubled_under_faults(
    server: FakeServer, start_agent: StartAgent, seed: int
) -> None:
    start_agent(retry_first_s=0.005, retry_most_s=0.05)
    chance = random.Random(seed)
    kinds = [*Fault, Fault.NONE, Fault.NONE, Fault.NONE]
    server.fault = lambda _: chance.choice(kinds)
    server.window = 20
    keys = [server.assign(job, "noop", sleep_ms=chance.choice([0, 0, 5])) for job in range(150)]
    keys += [server.shell(job, f"echo {job}; exit {job % 2}") for job in range(200, 220)]
    await server.until(lambda: len(server.finished) == len(keys), 30)
    for key in keys[150:]:
        assert server.logs[key] == f"{key[0]}\n"
        assert server.finished[key].exit_code == key[0] % 2


async def test_an_assignment_that_is_repeated_after_its_end_is_not_run_again(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    key = server.shell(1, f"echo ran >> {tmp_path}/count")
    await server.end_of(key)
    server.fault = lambda _: Fault.REPEAT
    server.nudge()
    await server.end_of(server.shell(2, "sleep 0.5"))
    assert (tmp_path / "count").read_text() == "ran\n"


async def test_attempts_go_on_while_the_server_is_away(server: FakeServer, agent: RunningAgent) -> None:
    key = server.shell(1, "sleep 0.5; echo through")
    await server.until(lambda: key in server.started)
    port = server.port
    await server.close()
    await asyncio.sleep(0.8)
    held_before = len(server.held)
    await server.start(port)
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "through\n"
    assert len(server.held) > held_before
    assert key in server.held[held_before]


async def test_held_is_told_at_the_start_and_every_beat(server: FakeServer, agent: RunningAgent) -> None:
    await server.until(lambda: len(server.held) >= 1, 2)
    key = server.shell(1, "sleep 5")
    await server.until(lambda: key in server.started)
    count = len(server.held)
    await server.until(lambda: len(server.held) >= count + 3, 3)
    assert server.held[-1] == [key]


async def test_an_idle_agent_is_quiet(server: FakeServer, start_agent: StartAgent) -> None:
    server.limits["beat_s"] = 30.0
    start_agent()
    await server.until(lambda: server.parked_now == 1)
    before = server.exchanges
    await asyncio.sleep(0.7)
    assert server.exchanges - before <= 1


async def test_a_server_that_answers_parked_calls_at_once_is_not_flooded(
    server: FakeServer, start_agent: StartAgent
) -> None:
    server.limits["poll_s"] = 0.0
    start_agent(park_gap_s=0.1)
    await server.until(lambda: server.exchanges > 1)
    before = server.exchanges
    await asyncio.sleep(0.5)
    assert server.exchanges - before <= 9


async def test_connections_are_kept(server: FakeServer, agent: RunningAgent) -> None:
    for job in range(50):
        await server.end_of(server.assign(job, "noop", sleep_ms=1))
    assert server.exchanges > 50
    assert server.connections <= 3


@pytest.mark.parametrize("url", ["ftp://somewhere", "http://", "nonsense", "http://host:port"])
async def test_a_wrong_address_is_said_at_once(start_agent: StartAgent, url: str) -> None:
    assert await start_agent(server_url=url).left(1) is ExitCode.USAGE


async def test_activation_is_repeated_with_the_same_nonce(
    server: FakeServer, start_agent: StartAgent
) -> None:
    server.activation_faults = [500, 503, 429]
    start_agent(retry_first_s=0.01)
    await server.until(lambda: server.parked_now == 1)
    assert len(server.nonces) == 4
    assert len(set(server.nonces)) == 1
    assert server.tokens_seen[0] == "Bearer one-time"
    assert server.tokens_seen[-1] == "Bearer worker-token"


async def test_a_refused_activation_ends_the_agent(server: FakeServer, start_agent: StartAgent) -> None:
    server.activation_faults = [401]
    assert await start_agent().left() is ExitCode.NOT_ALLOWED
    assert len(server.nonces) == 1


async def test_an_agent_that_is_never_let_in_deletes_itself(
    server: FakeServer, start_agent: StartAgent
) -> None:
    server.activation_faults = [500] * 1000
    agent = start_agent(self_delete_after_s=0.4, retry_first_s=0.01)
    assert await agent.left(3) is ExitCode.UNREACHABLE
    assert not agent.settings.folder.exists()


async def test_an_agent_that_is_cut_off_deletes_itself(server: FakeServer, start_agent: StartAgent) -> None:
    server.limits["self_delete_after_s"] = 1.0
    agent = start_agent()
    mark = f"1200.{os.getpid()}"
    key = server.shell(1, f"sleep {mark} & sleep {mark}")
    await server.until(lambda: key in server.started)
    server.fault = lambda _: Fault.ERROR_500
    assert await agent.left(5) is ExitCode.UNREACHABLE
    await server.until(lambda: processes_with(mark) == [])
    assert not agent.settings.folder.exists()


async def test_a_worker_that_is_not_wanted_stops_everything(server: FakeServer, agent: RunningAgent) -> None:
    mark = f"1201.{os.getpid()}"
    key = server.shell(1, f"sleep {mark}")
    await server.until(lambda: key in server.started)
    server.refuse = True
    server.nudge()
    assert await agent.left() is ExitCode.NOT_ALLOWED
    await server.until(lambda: processes_with(mark) == [])
    assert key not in server.finished


async def test_drain_lets_work_end_and_hands_back_what_waits(server: FakeServer, agent: RunningAgent) -> None:
    running = server.shell(1, "sleep 0.5; echo done", cpu_milli=8000)
    waiting = server.shell(2, "true", cpu_milli=8000)
    await server.until(lambda: running in server.started and waiting in server.assigned)
    server.drain = True
    server.nudge()
    assert await agent.left() is ExitCode.OK
    assert server.left
    assert server.finished[running].state == "succeeded"
    assert server.logs[running] == "done\n"
    assert (server.finished[waiting].state, server.finished[waiting].cause) == ("failed", "drained")


async def test_a_drain_that_is_taken_back_leaves_a_worker_that_works_on(
    server: FakeServer, agent: RunningAgent
) -> None:
    running = server.shell(1, "sleep 1", cpu_milli=8000)
    waiting = server.shell(2, "true", cpu_milli=8000)
    await server.until(lambda: running in server.started and waiting in server.assigned)
    server.drain = True
    server.nudge()
    assert (await server.end_of(waiting)).cause == "drained"
    server.drain = False
    assert (await server.end_of(running)).state == "succeeded"
    assert (await server.end_of(server.shell(3, "true"))).state == "succeeded"
    assert not server.left


async def test_stop_kills_and_leaves_without_reports(server: FakeServer, agent: RunningAgent) -> None:
    mark = f"1202.{os.getpid()}"
    key = server.shell(1, f"trap '' TERM; sleep {mark}; sleep {mark}")
    await server.until(lambda: key in server.started)
    server.stop = True
    server.nudge()
    assert await agent.left(3) is ExitCode.OK
    assert processes_with(mark) == []
    assert key not in server.finished


async def test_termination_reports_what_it_stopped(
    server: FakeServer, agent_process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    process = agent_process()
    mark = f"1203.{os.getpid()}"
    key = server.shell(1, f"echo before; sleep {mark} & sleep {mark}")
    await server.until(lambda: key in server.started)
    process.send_signal(signal.SIGTERM)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "drained")
    assert server.logs[key] == "before\n"
    assert await asyncio.to_thread(process.wait, 10) == ExitCode.OK
    assert server.left
    assert processes_with(mark) == []


async def test_the_token_is_seen_by_nobody(
    server: FakeServer, agent_process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    process = agent_process()
    key = server.shell(1, "env; cat /proc/self/cmdline")
    await server.end_of(key)
    assert "one-time" not in server.logs[key]
    assert "worker-token" not in server.logs[key]
    assert "one-time" not in " ".join(psutil.Process(process.pid).cmdline())


async def test_the_agent_starts_small(
    server: FakeServer, agent_process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    """A ceiling far above what it is, to notice a heavy import: CPU time, which load of the machine hardly changes."""
    process = agent_process()
    await server.until(lambda: server.parked_now == 1)
    use = psutil.Process(process.pid)
    cpu = use.cpu_times()
    assert cpu.user + cpu.system < 1.0
    assert use.memory_info().rss < 80 * 2**20


async def test_a_slow_server_gathers_results(server: FakeServer, agent: RunningAgent) -> None:
    """While one send is under way, ends gather; they do not each cost a call."""
    sizes: list[int] = []

    def fault(request: ExchangeRequest) -> Fault:
        sizes.append(len(request.finished))
        return Fault.DELAY if not request.wait else Fault.NONE

    keys = [server.assign(job, "noop", sleep_ms=100 + job * 5) for job in range(40)]
    await server.until(lambda: len(server.assigned) == len(keys))
    server.fault = fault
    began = time.monotonic()
    await server.until(lambda: len(server.finished) == len(keys))
    assert len([size for size in sizes if size]) <= (time.monotonic() - began) / 0.1 + 2
    assert max(sizes) > 1


async def test_an_agent_whose_token_is_not_known_activates_again_and_its_attempts_run_on(
    server: FakeServer, start_agent: StartAgent
) -> None:
    """The server's store was restored: a person has to decide first (503), then the same nonce opens the door again."""
    start_agent()
    await server.until(lambda: server.exchanges > 0)
    key = server.shell(1, "sleep 0.5; echo done")
    await server.until(lambda: key in server.started)
    server.activation_faults = [503, 503]
    server.refuse = True
    await server.until(lambda: not server.activation_faults)
    server.refuse = False
    end = await server.end_of(key)
    assert end.state == "succeeded"
    assert len(server.nonces) >= 3
    assert len(set(server.nonces)) == 1
    assert server.complaints == []


@pytest.mark.parametrize("runtime", ["process", "noop"])
async def test_an_agent_for_one_job_takes_one_and_leaves(
    server: FakeServer, start_agent: StartAgent, runtime: str
) -> None:
    """What is assigned beyond the one goes back unstarted; the server has acknowledged both ends before the agent leaves."""
    agent = start_agent(one_job=True)
    key = server.assign(1, "noop") if runtime == "noop" else server.shell(1, "echo one")
    end = await server.end_of(key)
    more = server.assign(2, "noop") if runtime == "noop" else None
    assert end.state == "succeeded"
    assert await agent.left() is ExitCode.OK
    assert server.left
    if more is not None and more in server.assigned and more in server.finished:
        assert (server.finished[more].state, server.finished[more].cause) == ("failed", "drained")
