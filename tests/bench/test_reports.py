"""What the bench says: verdicts, tables, JSON, Markdown, and the command around them."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from pathlib import Path

import psutil
import pytest

from bench import report
from bench.bench import MEASUREMENTS
from bench.command import NAME, main
from bench.figures import TARGETS, Figure, Reached, Target, median_of, percentile
from bench.machine import Machine
from bench.server.usage import Cpu, cpu_now
from herder.app import whole_app
from herder.cli.shell.main import run

ROOT = Path(__file__).resolve().parents[2]
QUIET = Machine(
    date="2026-01-31", herder="1.0", python="3.11.7", sqlite="3.40.1", system="Linux 6", processor="a CPU",
    cores=2, memory_gib=24.0, file_system="ext4", sync_ms=0.2, load=(0.1, 0.1, 0.1), others_percent=1.0,
)  # fmt: skip
RATE = median_of("noop-jobs", "rate", "jobs/s", [5_900.0, 6_100.0, 6_400.0])
CPU = Figure(measurement="noop-jobs", name="CPU, all processes", unit="µs/job", value=312.4)
SAID = (report.Measured(store="SQLite 3.40.1", figures=(RATE, CPU)),)


@pytest.mark.parametrize(
    ("value", "reached"),
    [(5.0, Reached.GOAL), (5.1, Reached.FLOOR), (10.0, Reached.FLOOR), (10.1, Reached.NO)],
)
def test_less_is_better_unless_said(value: float, reached: Reached) -> None:
    assert Target(floor=10, goal=5).verdict(value) is reached
    upside_down = Target(floor=-10, goal=-5, more_is_better=True)
    assert upside_down.verdict(-value) is reached


def test_targets_name_measurements_that_there_are() -> None:
    assert {measurement for measurement, _ in TARGETS} == set(MEASUREMENTS)


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_value_that_was_seen(percent: int, value: int) -> None:
    assert percentile(range(100, 0, -1), percent) == value
    assert percentile([7.0], percent) == 7.0


def test_the_table_says_what_is_reached() -> None:
    lines = report.table(QUIET, SAID, color=False).splitlines()
    rate, cpu = (
        next(line for line in lines if f" {name} " in line) for name in ("rate", "CPU, all processes")
    )
    assert rate.split() == ["noop-jobs", "rate", "6,100", "jobs/s", "2,000", "6,000", "goal", "5,900–6,400"]
    assert cpu.split()[-4:] == ["µs/job", "500", "200", "floor"]
    assert not any("careful" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_json_has_the_figures_and_the_machine() -> None:
    said = json.loads(report.data(QUIET, SAID))
    assert said["machine"]["processor"] == "a CPU"
    figure = said["stores"][0]["figures"][0]
    assert (figure["value"], figure["floor"], figure["reached"]) == (6_100.0, 2_000, "goal")
    assert figure["runs"] == [5_900.0, 6_100.0, 6_400.0]


def test_markdown_is_one_table_for_each_store() -> None:
    text = report.markdown(QUIET, SAID)
    assert "- Herder 1.0 on 2026-01-31, Python 3.11.7" in text
    assert "| noop-jobs | rate | 6,100 | jobs/s | 2,000 | 6,000 | goal | 5,900–6,400 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1


def test_a_busy_machine_and_a_disk_in_memory_are_named() -> None:
    from dataclasses import replace

    busy = replace(QUIET, others_percent=80.0, file_system="tmpfs")
    for text in (report.table(busy, SAID, color=False), report.markdown(busy, SAID)):
        assert "80 % of this machine" in text
        assert "tmpfs" in text


def test_cpu_of_a_child_counts_for_its_part_also_when_it_has_ended() -> None:
    burn = "sum(range(6_000_000))"
    agent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}']); print(1, flush=True); input()"
    server = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {agent!r}])"
    pipe: dict[str, typing.Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", server], **pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        used = cpu_now(psutil.Process(process.pid), None)
        process.stdin.write(b"\n")
    assert used.agents > used.server
    assert used.since(used) == Cpu()


def test_an_unknown_measurement_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-thing"]) == 2
    assert "noop-jobs" in capsys.readouterr().err


def test_its_help_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: {NAME} [OPTIONS]" in shown
    assert f"$ {NAME} --quick" in shown


def test_the_product_has_no_such_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(whole_app(), ["bench"]) == 2
    assert "bench" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["ONLY=noop-jobs process-jobs", "STORE=postgres", "RUNS=3", "OUTPUT=json"],
         "noop-jobs process-jobs --store postgres --runs 3 --output json"),
        (["STORE=sqlite postgres", "QUICK=1"], "--store sqlite --store postgres --quick"),
        ([], ""),
    ],
)  # fmt: skip
def test_make_bench_hands_its_settings_on(settings: list[str], words: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--assume-old", ".venv/.installed", "bench", *settings],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    call = " ".join(done.stdout.replace("\\\n", " ").split())
    assert call.endswith(f"{NAME} {words}".rstrip())
