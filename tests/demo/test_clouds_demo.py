"""`herder demo --clouds` as people type it: the whole story, what an interrupt leaves behind, and what it refuses."""

import json
import signal
import time
from pathlib import Path

import pytest

from herder.cli.shell.exit_codes import CommandError
from herder.demo.clouds.machines import Machines
from tests.demo.conftest import Start, left_in

pytestmark = pytest.mark.acceptance


@pytest.mark.slow  # agents and jobs of three clouds: about 25 s
@pytest.mark.timeout(300)
def test_the_story_happens_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    demo = start("--clouds")
    said = demo.communicate(timeout=280)[0]
    assert demo.returncode == 0, said
    words = " ".join(said.split())
    for part in (
        "Driver google: 29 checks, none failed (herder driver check google).",
        "azure westeurope-1 spot $0.0230/h 500 left",
        "google europe-west4-a on demand $0.1050/h 500 left",
        "aws eu-west-1a spot $0.0410/h 500 left",
        "adding 6 × azure-2",
        "could not be created. No capacity: Azure failed at creating VM",
        "6 jobs run on spot workers of google in europe-west4-a and europe-west4-b, for $0.0350/h each.",
        "Google takes 6 spot VMs back",
        "It gets no new work.",
        "Quota exceeded: AWS refused creating instance",
        "3 jobs run on spot workers of aws in eu-west-1a",
        "3 jobs run on on-demand workers of google in",
        "6 attempts ended with cause preempted.",
        "in attempt 2.",
        "No VM, disk, network card or instance is left in any cloud.",
        "add up to what the server tells.",
        "The workers cost $",
    ):
        assert part in words, (part, said)
    assert "Traceback" not in said
    assert list((tmp_path / "tmp").iterdir()) == []
    assert left_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_folder(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Also none of the agents, which are processes of the demo itself."""
    data = tmp_path / "data"
    demo = start("--clouds", "--data-dir", str(data))
    deadline = time.monotonic() + 80
    while not any((data / "machines").glob("google/*/work")):
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
def test_options_of_the_first_demo_are_refused(start: Start, tmp_path: Path, words: tuple[str, ...]) -> None:
    demo = start("--clouds", *words)
    said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 2
    assert said.startswith("error: --clouds excludes --input and --keep.\n")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_stories_at_once_are_refused(start: Start) -> None:
    demo = start("--clouds", "--datacentre")
    said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 2
    assert said.startswith("error: --datacentre excludes --clouds.\n")


def test_machines_that_cannot_be_started_end_the_story(tmp_path: Path) -> None:
    """Instead of waits for what cannot come."""

    class Cloud:
        driver = "cloud"

        def running(self) -> dict[str, str]:
            return {"vm-1": "export HERDER_SERVER=http://127.0.0.1:1"}

    (tmp_path / "machines").write_text("a file where a folder has to be")
    machines = Machines([Cloud()], tmp_path / "machines" / "below")  # type: ignore[list-item]
    machines.check()
    machines._thread.start()
    machines._thread.join(10)
    with pytest.raises(CommandError, match="The machines of the clouds cannot be run: "):
        machines.check()
