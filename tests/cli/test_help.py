"""Help: an example first in every command, exit codes listed, and quickly there."""

import os
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.main import get_command

from herder.app import whole_app
from herder.cli.shell.commands import HerderCommand
from herder.cli.shell.exit_codes import MEANING, Code
from herder.cli.shell.first_level import Entry, FirstLevel
from herder.cli.shell.main import build_app, run


def _all(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, command in group.commands.items():
        found.append(((*path, name), command))
        if hasattr(command, "commands"):
            found += _all(command, (*path, name))
    return found


COMMANDS = _all(get_command(build_app()))


def test_the_commands_are_those_of_the_specification() -> None:
    names = {" ".join(path) for path, command in COMMANDS if isinstance(command, HerderCommand)}
    assert names == {
        *(f"cost {verb}" for verb in ("show", "breakdown", "trends", "lines", "explain", "months", "close", "recommend", "approve", "implement", "roll-back", "results", "why", "roi")),
        "status", "apply", "events", "pack", "cost forecast", "cost anomalies", "cost report", "cost invoice", "cost export", "cost check-focus", *(f"cost reports {verb}" for verb in ("list", "get", "schedules", "set", "run", "delete")), "project list",
        "config show", "config lint", "config schema", "config view", "config import-cortex", "config import-rosa",
        "pool list", "pool get", "pool scale", "pool freeze", "pool unfreeze", "pool delete",
        "bootstrap list", "bootstrap check", "cluster list", "cluster show", "cluster check", "cluster manifests", "pool scheduling-info", "pool scaled-objects",
        "driver list", "driver get", "driver check", "driver import", "driver freeze", "driver unfreeze", "driver forget",
        "offer list",
        "worker list", "worker get", "worker add", "worker cordon", "worker uncordon", "worker drain", "worker extend",
        "worker remove", "worker console", "worker logs", "worker operations", "worker health",
        "batch submit", "batch list", "batch get", "batch wait", "batch cancel", "batch groups",
        "batch hold", "batch release", "batch retry", "batch delete", "batch add", "batch close", "job hold", "job release",
        "alert list", "alert show", "alert ack", "alert history", "alert policies", "alert channels", "alert test",
        "observability export",
        "pipeline set", "pipeline list", "pipeline get", "pipeline delete",
        *(f"budget {verb}" for verb in ("list", "show", "forecast", "set", "delete", "keep", "request", "requests", "approve", "reject", "reallocate", "take-back", "leases", "settle")),
        "schedule create", "schedule list", "schedule get", "schedule pause", "schedule resume", "schedule run", "schedule delete",
        "rate list", "rate show", "rate add", "rate import", "rate export", "usage list", "usage import", "usage correct",
        "callback list", "callback retry", "callback secret",
        "job types",
        "job submit", "job list", "job get", "job logs", "job wait", "job explain", "job cancel", "job retry",
        "plan list", "plan get", "why worker", "why pool", "why job", "why pod",
        "whoami", *(f"secret {verb}" for verb in ("create", "list", "get", "rotate", "delete")), "token create", "token list", "token revoke", "user list", "user create", "user set", "user delete",
    }  # fmt: skip


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_help_begins_with_an_example_of_this_command_and_fits_a_terminal(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(build_app(), [*path, "--help"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line for line in lines if len(line) > 80] == []
    assert lines[0].startswith(f"Usage: herder {' '.join(path)}")
    assert lines[1].strip().startswith("$ ")
    assert f"herder {' '.join(path)}" in lines[1]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_examples_can_be_parsed(path: tuple[str, ...], command: Any) -> None:
    """Every `$ herder …` line of the help is a line that the command line understands."""
    import shlex

    root = get_command(build_app())
    examples = [line.strip()[2:] for line in command.help.splitlines() if line.strip().startswith("$ ")]
    assert examples
    for example in examples:
        words = shlex.split(example.rpartition(" | ")[2].partition(" > ")[0])
        assert words[0] == "herder"
        context, words = root.make_context("herder", [*words[1:]]), words[1:]
        for _ in range(3):
            rest = [*context._protected_args, *context.args]
            group = context.command
            if not rest or not hasattr(group, "commands"):
                break
            name, found, rest = group.resolve_command(context, rest)
            context = found.make_context(name, rest, parent=context)


def test_exit_codes_are_listed_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    run(build_app(), ["--help"])
    text = capsys.readouterr().out
    for code, meaning in MEANING.items():
        assert f"{int(code):<3}  {meaning}" in text
    assert {int(code) for code in Code} == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130}


def test_without_a_verb_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(build_app(), []) == run(build_app(), ["pool"]) == 0
    assert "Usage: herder pool" in capsys.readouterr().out


def test_others_can_add_commands(capsys: pytest.CaptureFixture[str]) -> None:
    app = build_app()

    @app.command("up")
    def up() -> None:
        """Start everything here."""
        typer.echo("up!")

    assert run(app, ["up"]) == 0
    assert capsys.readouterr().out == "up!\n"
    run(app, ["--help"])
    operate = capsys.readouterr().out.partition("Operate:")[2]
    assert "up  Start everything here." in operate


def test_the_summary_of_a_command_is_the_first_line_of_its_help() -> None:
    root: Any = get_command(whole_app())
    context = root.make_context("herder", [], resilient_parsing=True)
    for name, command in root.commands.items():
        assert root.commands.outline(name).get_short_help_str(80) == command.get_short_help_str(80), name
    listed = {each.value: each.help for each in root.shell_complete(context, "co")}
    assert {*listed} == {"config", "cost"}
    assert listed["config"] == "Show and check settings files."


def test_a_fault_in_the_module_of_a_command_is_not_a_command_that_does_not_exist() -> None:
    def broken(_app: typer.Typer) -> None:
        raise KeyError("fault")

    commands = FirstLevel({"odd": Entry("Odd.", broken)}, {})
    assert commands.get("none") is None
    with pytest.raises(KeyError, match="fault"):
        commands.get("odd")


def test_a_command_imports_no_other() -> None:
    program = (
        "import sys; from herder.app import whole_app, run; run(whole_app(), ['whoami', '--help']);"
        "print(sorted(each for each in sys.modules if each.startswith('herder.cli.commands.')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr.strip() == "['herder.cli.commands.people', 'herder.cli.commands.people.whoami']"


def test_help_is_quick_and_imports_no_http_library() -> None:
    program = (
        "import sys, resource; from herder.cli.shell.main import build_app, run; run(build_app(), ['--help']);"
        "used = resource.getrusage(resource.RUSAGE_SELF);"
        "heavy = {'httpx', 'pydantic', 'rich', 'ruamel.yaml', 'fastapi'} & set(sys.modules);"
        "print(used.ru_utime + used.ru_stime, sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env=os.environ,
    )
    seconds, _, heavy = done.stderr.strip().partition(" ")
    assert heavy == "[]"
    assert float(seconds) < 0.8, "twice what is wanted, for a busy machine"


def test_to_know_all_commands_costs_no_database_and_no_server() -> None:
    """`herder job list` begins in a fraction of a second: what only a server needs is imported by the command that runs one."""
    program = (
        "import sys; from herder.app import whole_app; whole_app();"
        "print({'sqlalchemy', 'alembic', 'fastapi', 'pydantic', 'uvicorn', 'psutil', 'numpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env=os.environ,
    )
    assert done.stdout.strip() == "set()"
