"""Server and agents are killed and stopped again and again under load, through a proxy that loses, doubles, delays and cuts.

Every accepted job must end exactly as its batch says, with one booked success, after the jobs it waits for, and its own side effects
must agree. `make storm` runs 40 rounds on each store; the slow suite a few. A failure names its seed: `STORM_SEED=7 make storm`.
"""

import os
import random
import signal
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from herder.client import HerderClient, connect
from tests.acceptance.conftest import Installation
from tests.storm.load import Load, Sent, effects_of
from tests.storm.proxy import Proxy

pytestmark = [pytest.mark.acceptance]

SEED = int(os.environ.get("STORM_SEED", "20261126"))
ROUNDS = int(os.environ.get("STORM_ROUNDS", "40"))
SHORT_ROUNDS = 3
#: After the last round everything is repaired and must come to its end.
END_LIMIT_S = 300

CONFIG = """
pools:
  std:
    driver: local
    templates:
      - {name: half, cpu: 500m, memory: 256Mi, disk: 1Gi, price_per_hour: "0.01"}
    min_workers: 2
    max_workers: 3
    idle_timeout: 60s
    dead_after: 6s
    boot_timeout: 60s
    drain_grace: 10s
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_storm(installation: Installation) -> None:
    storm(installation, SHORT_ROUNDS)


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_a_long_storm(installation: Installation) -> None:
    storm(installation, ROUNDS)


def storm(installation: Installation, rounds: int) -> None:
    draw = random.Random(SEED)
    effects = installation.folder / "effects"
    effects.touch()
    installation.config.write_text(CONFIG)
    proxy = Proxy(lambda: int(installation.port), SEED)
    installation.more = ["--public-url", proxy.url]
    try:
        installation.start()
        token = (installation.data / "admin.token").read_text().strip()
        with HerderClient(proxy.url, token, retries=1000) as client:
            load = Load(client, effects, SEED)
            load.start()
            for _ in range(rounds):
                time.sleep(draw.uniform(0.5, 2.0))
                trouble(installation, draw)
            load.stop()
            proxy.chance = 0.0
        assert load.accepted, "nothing was submitted"
        check(installation, load.accepted, effects)
        print(f"seed {SEED}, {rounds} rounds, {len(load.accepted)} batches; calls: {dict(proxy.calls)}")
    finally:
        proxy.close()


def trouble(installation: Installation, draw: random.Random) -> None:
    """One round: somebody is killed, or stopped for a while."""
    agents = installation.main_agents()
    luck = draw.random()
    if luck < 0.45:
        installation.kill()
        if agents and draw.random() < 0.4:
            _send(draw.choice(agents), signal.SIGKILL)
        time.sleep(draw.uniform(0, 0.5))
        installation.start()
    elif luck < 0.75:
        for agent in draw.sample(agents, min(len(agents), draw.randint(1, 2))):
            _send(agent, signal.SIGKILL)
    else:
        assert installation.server is not None
        stopped = psutil.Process(installation.server.pid)
        if luck > 0.88 and agents:
            stopped = draw.choice(agents)
        _send(stopped, signal.SIGSTOP)
        time.sleep(draw.uniform(0.5, 8.0))
        _send(stopped, signal.SIGCONT)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):  # it may have gone by itself meanwhile
        process.send_signal(number)


def check(installation: Installation, accepted: dict[int, Sent], effects: Path) -> None:
    begins: dict[tuple[int, int], list[int]] = defaultdict(list)
    ends: dict[tuple[int, int], list[int]] = defaultdict(list)
    give_up_at = time.monotonic() + END_LIMIT_S
    with connect(env=installation.env) as client:
        for batch in accepted:
            client.batches.wait(batch, timeout_s=max(1.0, give_up_at - time.monotonic()))
        for line, job, attempt, what in effects_of(effects):
            (begins if what == "begin" else ends)[job, attempt].append(line)
        for batch, sent in accepted.items():
            check_batch(client, batch, sent, begins, ends)
        assert client.invariants() == []
    assert installation.stop() == 0
    installation.until(lambda: not installation.agents(), 20, "the workers to go")
    admin = ["admin", "invariants", "--data-dir", str(installation.data), *installation.store]
    assert "All invariants hold." in installation.run(*admin)


def check_batch(
    client: HerderClient,
    batch: int,
    sent: Sent,
    begins: dict[tuple[int, int], list[int]],
    ends: dict[tuple[int, int], list[int]],
) -> None:
    views = list(client.jobs.list(batch=batch))
    said = f"batch {batch}, seed {SEED}"
    assert len(views) == len(sent.kinds), said
    states = [view.state for view in views]
    assert set(states) <= {"succeeded", "failed", "cancelled", "skipped"}, said
    if not sent.cancelled:
        wrong = [(view.id, view.state, want) for view, want in zip(views, sent.expected(), strict=True) if view.state != want]  # fmt: skip
        assert not wrong, (said, wrong, client.jobs.get(wrong[0][0]).history[-2:])
    for place, view in enumerate(views):
        if view.state != "succeeded":
            continue
        booked = [each for each in client.jobs.get(view.id).history if each.state == "succeeded"]
        assert len(booked) == 1, (said, view.id)
        key = view.id, booked[0].attempt
        assert len(begins[key]) == len(ends[key]) == 1, (said, key, begins[key], ends[key])
        for parent in sent.parents[place]:
            if states[parent] == "succeeded":
                last = client.jobs.get(views[parent].id).attempts
                assert ends[views[parent].id, last][0] < begins[key][0], (said, key, "before its parent")
