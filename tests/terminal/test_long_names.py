"""Twelve workers of pools with long names on terminals of 80 and 100 columns: what a person needs is there, and what is cut has its mark."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from herder.cli.output.fitting import width_of
from tests.api.conftest import PlayedWorker, Server
from tests.terminal.test_lists import Shell

NORTH, SOUTH = "climate-simulations-of-the-northern-hemi", "climate-simulations-of-the-southern-hemi"
FULL = "The file system of the work folder has 5 of 100 MiB of disk free, and 17 of 1,000,000 of its inodes."
POOL: dict[str, Any] = {
    "driver": "pretend",
    "templates": [
        {
            "name": "sixteen-cores-and-much-memory",
            "cpu": 2,
            "memory": "4Gi",
            "disk": "10Gi",
            "price_per_hour": "0.10",
        }
    ],
    "max_workers": 8,
    "ttl": "6h",
    "ttl_jitter": "0%",
    "repair": [{"condition": "DiskPressure", "after": "1h", "rung": "replace"}],
}


#: More of it are claimed than the driver creates at a time.
MANY = "short-lived-checks-of-the-whole-pipeline"


class Long(Shell):
    workers: list[PlayedWorker]
    server: Server


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    folder = tmp_path_factory.mktemp("long")
    server = Server(folder / "data").start()
    server.http.post(
        "/apply", json={"pools": [{**POOL, "name": NORTH}, {**POOL, "name": SOUTH}]}
    ).raise_for_status()
    server.http.post("/apply", json={"pools": [{**POOL, "name": MANY, "max_workers": 60}]}).raise_for_status()
    made = Long(server, folder)
    made.server = server
    made.workers = [server.worker(name) for name in (NORTH, SOUTH) for _ in range(6)]
    signed_on = [lambda each=each: each.exchange() for each in made.workers]
    made.alive = lambda: [each() for each in signed_on]  # type: ignore[no-untyped-call]
    first = made.workers[0]
    server.http.post(f"/workers/{first.name}/cordon", json={"message": "x"}).raise_for_status()
    server.http.post(f"/workers/{made.workers[1].name}/drain", json={}).raise_for_status()
    clock = int(time.time() * 1000)
    made.workers[2].exchange(clock_ms=clock, conditions=[("DiskPressure", FULL)])
    server.http.post(f"/pools/{SOUTH}/freeze", json={"message": "somebody looks at it"}).raise_for_status()
    yield made
    for each in made.workers:
        each.close()
    server.stop()


def shown(shell: Long, words: str, columns: int) -> list[str]:
    lines = shell.on_terminal(words, columns)
    print("\n".join([f"$ {words} ({columns})", *lines, shell.talk]))  # seen with -s
    assert {line for line in lines if width_of(line) > columns} == set()
    return lines


def joined(lines: list[str]) -> str:
    """Without the places where a line was broken."""
    return "".join("".join(lines).split())


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("worker list", ["NAME", "STATUS", "HEALTH", "JOBS"]),
        ("worker list --ttl", ["NAME", "LEFT", "NEXT"]),
    ],
)
def test_each_worker_has_its_whole_name_and_what_is_needed(
    shell: Long, words: str, needed: list[str], columns: int
) -> None:
    head, *rows = shown(shell, words, columns)
    assert [row.split()[0] for row in rows] == [each.name for each in shell.workers]
    assert [name for name in needed if name in head] == needed
    assert not any("…" in row for row in rows)
    if words == "worker list":
        assert rows[0].split()[1:3] == ["ready,cordoned", "healthy"]
        assert rows[2].split()[1:3] == ["unhealthy", "troubled"]
        assert "STATUS" not in shell.talk
    else:
        assert all(row.endswith("m") and "warning in 5" in row for row in rows)
        assert ("STATUS" in head) is ("Not shown at 80 columns: STATUS." not in shell.talk)


@pytest.mark.parametrize("columns", [50, 60])
def test_names_that_begin_alike_are_told_apart_when_they_are_cut(shell: Long, columns: int) -> None:
    names = [line.split()[0] for line in shown(shell, "worker list", columns)[1:]]
    assert len(set(names)) == len(shell.workers)
    assert all("…" in name for name in names)
    assert f"Not shown at {columns} columns: HEALTH." in shell.talk


@pytest.mark.parametrize("columns", [80, 100])
def test_the_health_of_a_worker_is_told_to_its_last_word(shell: Long, columns: int) -> None:
    lines = shown(shell, f"worker health {shell.workers[2].name}", columns)
    assert not any("…" in line for line in lines)
    place = lines.index("Conditions")
    at = lines[place + 1].index("MESSAGE")
    message = [line[at:] for line in lines[place + 2 : lines.index("", place)]]
    assert joined(message) == joined([FULL])
    assert "DiskPressure   replace" in "\n".join(lines)


@pytest.mark.parametrize("columns", [80, 100])
def test_the_status_says_all_that_needs_attention(shell: Long, columns: int) -> None:
    lines = shown(shell, "status", columns)
    assert not any("…" in line for line in lines)
    head = next(line for line in lines if line.startswith("NAME"))
    assert head.split()[:6] == ["NAME", "STATUS", "READY", "MIN", "MAX", "QUEUED"]
    assert [line.split()[:2] for line in lines if line.startswith(NORTH[:10])] == [
        [NORTH, "ok"],
        [SOUTH, "frozen"],
    ]
    assert f"herderpoolunfreeze{SOUTH}" in joined(lines)
    assert joined([FULL]) in joined(lines)


def test_a_driver_says_what_it_does_and_what_waits(shell: Long) -> None:
    """Its creations hang, and more are claimed than it creates at a time."""
    world = shell.server.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
    gate = world.hang("create", times=12)
    path, body = f"/pools/{MANY}/scale", {"workers": 12, "ttl_s": 3600}
    claimed = shell.server.http.post(path, json=body).raise_for_status().json()["workers"]
    assert gate.reached.wait(20)
    try:
        for columns in (80, 100):
            lines = shown(shell, "driver list", columns)
            assert not any("…" in line for line in lines)
            assert {"STATUS", "WORKERS", "CALLS", "WAITING"} < set(lines[0].split())
            assert "CLAIMS WAIT" in lines[0] or "CLAIMS WAIT" in shell.talk
            doing = joined([line[lines[0].index("IN PROGRESS") :] for line in lines[1:]])
            assert doing.count(f"create{MANY}-") == 3
            assert doing.endswith("5more")
    finally:
        gate.release()
        for name in claimed:
            shell.server.http.post(f"/workers/{name}/remove", json={"force": True}).raise_for_status()
