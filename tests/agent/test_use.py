"""What a worker says of its own use: its processes, nobody else's, and nothing rather than a guess."""

import subprocess
import sys

import pytest

from herder.agent.machine.usage import UseMeter
from herder.agent.processes import process_table

#: Uses half a second of CPU and holds 64 MiB, in a child of a child, and ends.
WORK = "import time; held = bytearray(64 << 20)\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True); input()"


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_use_of_descendants_counts_also_when_they_have_ended() -> None:
    clock = Clock()
    meter = UseMeter(clock)
    assert meter.read() is None  # an average needs a beginning
    shell = ["sh", "-c", '"$0" -c "$1"; exit 0', sys.executable, WORK]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        clock.now_s += 10
        while_it_runs = meter.read()
        assert while_it_runs is not None
        process.communicate(b"\n")
    clock.now_s += 10
    after = meter.read()
    assert after is not None
    assert 40 <= while_it_runs[0] <= 150  # half a second and what starting took, over ten
    assert while_it_runs[1] >= 64 + after[1] - 10
    assert 0 <= after[0] < 50


def test_what_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> dict[int, process_table.Process]:
        raise FileNotFoundError("/proc")

    clock = Clock()
    meter = UseMeter(clock)
    meter.read()
    clock.now_s += 1
    monkeypatch.setattr(process_table, "processes", nothing)
    assert meter.read() is None
