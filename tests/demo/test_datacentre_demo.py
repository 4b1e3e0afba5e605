"""`herder demo --datacentre` as people type it: the whole story, what an interrupt leaves behind, and what it refuses."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.demo.conftest import Start, left_in

pytestmark = pytest.mark.acceptance


@pytest.mark.slow  # it waits for the end of a ttl, for drains and for removals: about 80 s
@pytest.mark.timeout(300)
def test_the_story_happens_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    began_s = time.monotonic()
    demo = start("--datacentre")
    said = demo.communicate(timeout=280)[0]
    assert demo.returncode == 0, said
    words = " ".join(said.split())
    for part in (
        "4 pods cannot be scheduled",
        "is demand",
        "equal to the lower bound",
        "4,096 MiB, VLAN 20",
        "taint workload-type=burst:NoSchedule and label ttl=",
        "Pod batch-0 runs on node spot-",
        "has carried out restart_service",
        "reboot after its pods",
        "is well",
        "reaches the end of its ttl",
        "was extended to",
        "is a spot worker and the cheapest to lose",
        "is blocked: its deadline passed",
        "4 pods of application web were evicted.",
        "No VM, volume, ISO image, lock, task, machine, node, lease or secret is left.",
        "10. All pools are deleted and nothing is left",
        "The workers cost $",
    ):
        assert part in words, (part, said)
    assert "Traceback" not in said
    assert list((tmp_path / "tmp").iterdir()) == []
    assert left_in(tmp_path) == []
    assert time.monotonic() - began_s < 280


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_folder(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "data"
    demo = start("--datacentre", "--data-dir", str(data))
    deadline = time.monotonic() + 60
    while not (data / "server.json").exists():
        assert demo.poll() is None, demo.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    server = json.loads((data / "server.json").read_text())
    demo.send_signal(number)
    said = demo.communicate(timeout=60)[0]
    assert demo.returncode in (130, -signal.SIGINT), said
    assert "Traceback" not in said
    assert server["pid"] > 0
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("words", [("--keep",), ("--input", ".")])
def test_options_of_the_other_demo_are_refused(start: Start, tmp_path: Path, words: tuple[str, ...]) -> None:
    demo = start("--datacentre", *words)
    said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 2
    assert said.startswith("error: --datacentre excludes --input and --keep.\n")
    assert list((tmp_path / "tmp").iterdir()) == []
