"""The one line of a terminal that shows a drain: it fits, and how much longer it takes is never cut, whatever the worker's name."""

import dataclasses
import io

import msgspec
import pytest

from herder.cli.output import waits
from herder.cli.output.drain_lines import drain_line
from herder.cli.output.fitting import width_of
from herder.cli.shell.session import Session
from herder.engine.workers import deadlines, notices
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import progress_text
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.notice import NoticeSource
from tests.cli.conftest import Herder
from tests.support.engine_world import POOL, World
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import worker

NAMES = ["std-1-1", "a-pool-for-large-simulations-of-the-weather-in-europe-12345-17"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def sentences(kind: str) -> str:
    """What the engine says of a drain."""
    world = World()
    found, agent = world.ready_worker()
    world.submit(2)
    world.commit()
    world.talk(agent)
    if kind == "blocked":
        pool = world.state.pools[POOL.name]
        lifetime = dataclasses.replace(pool.lifetime, on_blocked=OnBlocked.WAIT)
        world.state.pools[POOL.name] = dataclasses.replace(pool, lifetime=lifetime)
    if kind == "notice":
        notices.announced(world.state, world.changes, found, 90_000, NoticeSource.DRIVER, world.now_ms)
    else:
        drains.keep(
            world.state,
            world.changes,
            found,
            world.now_ms,
            actor="a",
            message="",
            timeout_s=720.0,
            force=False,
        )
    if kind == "blocked":
        world.now_ms += 725_000
        found.last_seen_at_ms = world.now_ms
        deadlines.tick(world.state, world.changes, world.now_ms)
    text = progress_text(world.state, found, world.now_ms, with_users=True)
    world.commit()
    return text


@pytest.mark.parametrize("columns", [80, 100, 200])
@pytest.mark.parametrize("before", ["", "2 of 12 workers done. "])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("draining", ["for 12 min more at most."]),
        ("notice", ["ack in 90 s", "for 85 s more at most."]),
        ("blocked", ["locked: ", "deadline passed 5 s ago", "2 attempts still run: job "]),
    ],
)
def test_what_a_person_waits_for_is_never_cut(
    kind: str, kept: list[str], name: str, before: str, columns: int
) -> None:
    text = sentences(kind).replace("std-1-1", name)
    line = drain_line(text, name, before, columns - 1)
    print(line)  # seen with -s
    assert width_of(line) < columns
    assert all(part in line for part in kept)
    if width_of(before + text) < columns:
        assert line == before + text


def test_a_terminal_of_80_columns_shows_the_countdown(
    api: FakeApi, herder: Herder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_S", 0.01)
    monkeypatch.setenv("COLUMNS", "80")
    text = sentences("draining").replace("std-1-1", NAMES[1])
    names = [NAMES[1], "other"]
    for name in names:
        seen = worker(name, cordoned=True, drain="draining", drain_text=text.replace(NAMES[1], name))
        api.worker_looks[name] = [seen, msgspec.structs.replace(seen, drain="drained")]
        api.workers[name] = seen
    say = Session(err=Terminal())
    waits.wait_for_drains(say, dict.fromkeys(names, "Being drained."), removal=False, timeout_s=None)
    say.close()
    lines = say.err.getvalue().split("\r\x1b[K")  # type: ignore[attr-defined]
    shown = [line for line in lines if "job" in line.lower()]
    assert shown
    assert all(line.endswith("for 12 min more at most.") and width_of(line) < 80 for line in shown)
