"""`herder simulate chaos` as people see it: the same seed gives the same bytes, a broken rule is told with its story, bad options are
refused. And the loop under it: what is killed has no effect any more.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.cli.shell.session import Session
from herder.model.stored.changes import Changes
from herder.simulate.chaos.hosts.loop import HOST, VirtualLoop
from herder.simulate.chaos.rules.job_rules import JobRules
from herder.simulate.chaos.run import ChaosOptions, ChaosResult, run
from herder.simulate.chaos.shrink import command_of, shrink
from herder.simulate.commands.chaos import show

SMALL = ("--days", "0.004", "--workers", "6", "--intensity", "20")


def _command(*options: str, hash_seed: str = "0") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("herder"), "simulate", "chaos", *options, "-q"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


@pytest.mark.timeout(900)
def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    runs = [
        _command("--seed", seed, *SMALL, "-o", "json", hash_seed=salt)
        for seed, salt in (("3", "1"), ("3", "2"))
    ]
    assert [each.returncode for each in runs] == [0, 0], runs[0].stderr
    plain = [json.loads(each.stdout) for each in runs]
    for each in plain:
        assert each.pop("cpu_s") > 0
        assert each["violations"] == []
    assert plain[0] == plain[1]
    here = run(ChaosOptions(seed=3, days=0.004, workers=6, intensity=20))
    assert here.fingerprint == plain[0]["fingerprint"]
    other = run(ChaosOptions(seed=4, days=0.004, workers=6, intensity=20))
    assert here.fingerprint != other.fingerprint
    assert {"seed", "days", "steps", "crashes", "faults"} <= set(plain[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--days", "0"), "--days is 0"),
        (("--days", "nan"), "--days is nan"),
        (("--intensity", "-1"), "--intensity is -1"),
        (("--workers", "1"), "--workers"),
        (("--without", "rain"), "There is no fault of the kind 'rain'"),
    ],
)
def test_bad_options_are_refused(options: tuple[str, str], said: str) -> None:
    done = _command(*options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def _finds(changes: Changes) -> Iterator[tuple[str, str]]:
    for job, number in sorted(changes.attempts)[:1]:
        yield (
            "one live attempt",
            f"Attempts {number} and {number + 1} of job {job} are live at the same time.",
        )


@pytest.mark.slow  # each world begins with a full collection, which is dear in a process that has run thousands of tests
@pytest.mark.timeout(900)
def test_a_broken_rule_is_told_with_its_story_and_a_shorter_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is broken by the first attempt of all."""
    monkeypatch.setattr(JobRules, "look", lambda _self, changes: _finds(changes))
    found = run(ChaosOptions(seed=2, days=0.02, workers=8, intensity=3))
    assert found.violations[0].rule == "one live attempt"
    job = found.violations[0].text.partition(" of job ")[2].split()[0]
    assert any(f"attempt {job} 1 assigned" in line for line in found.story)
    told: list[str] = []
    shorter = shrink(found, told.append)
    assert shorter.violations[0].rule == "one live attempt"
    assert shorter.options.days < 0.02
    assert shorter.options.without, "the rule is broken without any fault"
    assert shorter.options.workers < 8
    assert command_of(shorter.options).startswith("herder simulate chaos --seed 2 --days 0.0")
    assert any("the rule is still broken" in each for each in told)


def test_what_is_killed_has_no_effect_any_more() -> None:
    loop, done = VirtualLoop(), list[str]()

    async def life(name: str) -> None:
        try:
            while True:
                await asyncio.sleep(1)
                done.append(name)
        finally:
            asyncio.get_running_loop().call_later(0, done.append, f"{name} said goodbye")
            await asyncio.sleep(1)
            done.append(f"{name} cleared away")

    async def story() -> None:
        loop.begin("first", life("first"))
        loop.begin("second", life("second"))
        await asyncio.sleep(2.5)
        loop.stop_host("second")
        loop.kill_host("first")
        await asyncio.sleep(5)
        assert not loop.alive("first")
        assert done == ["first", "second"] * 2, "a stopped one waits, a killed one does nothing"
        loop.wake_host("second")
        await asyncio.sleep(1.5)
        assert done.count("second") >= 3
        assert HOST.get() == ""

    try:
        loop.run_until_complete(story())
    finally:
        loop.clear_away()
    assert not any("goodbye" in each or "cleared" in each for each in done)


@pytest.mark.parametrize(
    ("days_run", "said"),
    [
        (0.14, "Seed 7: 0.01 simulated days with faults and 0.13 days of rest after them, in "),
        (0.004, "Seed 7: 0.004 simulated days with faults and 0 days of rest after them, in "),
    ],
)
def test_the_rest_after_the_faults_is_told_apart(days_run: float, said: str) -> None:
    """It takes longer than the faults of a short run, and less when a rule is broken before."""
    say = Session(out=io.StringIO())
    show(say, ChaosResult(options=ChaosOptions(seed=7, days=0.01), days_run=days_run), 1.0)
    assert say.out.getvalue().startswith(said)  # type: ignore[attr-defined]
