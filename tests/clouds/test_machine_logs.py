"""The log of one service of a machine, found in its console."""

from __future__ import annotations

from herder.model.fleet.driver import StartData
from herder.model.fleet.machine_logs import AGENT, CONSOLE, START_SCRIPT, part
from herder.remote.clouds.start_script import SetUp, start_script

AGENT_LINES = (
    "2026-11-28 08:00:01,123 INFO Worker burst-1 is active.\nTraceback (most recent call last):\n  File x"
)
SERIAL = """\
[    1.2] Linux version 6.1
startup-script[812]: herder: failed: podman
startup-script[812]: herder: the agent starts
startup-script[812]: an agent of before
startup-script[812]: herder: the agent has ended with status 6; this machine is switched off
[    1.1] Linux version 6.1
startup-script[790]: herder: the agent starts
startup-script[790]: 2026-11-28 08:00:01,123 INFO Worker burst-1 is active.
startup-script[790]: herder: the agent has ended with status 0; this machine is switched off
[   99.1] reboot: Power down"""


def test_the_agents_log_is_that_of_the_last_boot() -> None:
    assert (
        part(SERIAL, AGENT) == "startup-script[790]: 2026-11-28 08:00:01,123 INFO Worker burst-1 is active."
    )


def test_the_start_script_is_known_by_its_words() -> None:
    said = part(SERIAL, START_SCRIPT).splitlines()
    assert [line.partition(": herder: ")[2][:22] for line in said] == [
        "failed: podman", "the agent starts", "the agent has ended wi",
        "the agent starts", "the agent has ended wi",
    ]  # fmt: skip


def test_a_console_of_the_agent_alone_is_its_log() -> None:
    """As that of a local process, or of a pod."""
    assert part(f"a warning of Python\n{AGENT_LINES}", AGENT) == AGENT_LINES
    assert part(AGENT_LINES, START_SCRIPT) == ""


def test_a_machine_that_has_only_booted_has_no_log_of_the_agent() -> None:
    boot = "\n".join(SERIAL.splitlines()[:2])
    assert part(boot, AGENT) == ""
    assert part(boot, CONSOLE) == boot
    assert part("", AGENT) == ""


def test_the_words_are_those_that_the_script_prints() -> None:
    start = StartData(server_url="https://herder", activation_token="t", self_delete_after_s=60)
    script = start_script("burst-1", "lab", start, SetUp())
    assert 'echo "herder: $*"' in script
    assert '\nsay "the agent starts"\n' in script
    assert '\noff "the agent has ended with status $?"\n' in script
