"""Errors of the server name what the person typed: the option of the command, or its argument."""

from typing import Any

import pytest
from typer.main import get_command

from herder.cli.input.option_names import as_typed
from herder.cli.shell.main import build_app


def command(*words: str) -> Any:
    found: Any = get_command(build_app())
    for word in words:
        found = found.commands[word]
    return found


@pytest.mark.parametrize(
    ("words", "field", "typed"),
    [
        ("job submit", "secrets[0].name", "--secret"),
        ("job submit", "tolerations[1].key", "--tolerate"),
        ("job submit", "data.outputs[0].url", "--save"),
        ("job submit", "data.inputs[0].url", "--input"),
        ("job submit", "inputs.a/b", "--input"),
        ("job submit", "env.A B", "--env A B"),
        ("job submit", "selector.zone", "--select zone"),
        ("job submit", "key", "--name"),
        ("job submit", "timeout_s", "--timeout"),
        ("job submit", "queue_timeout_s", "--queue-timeout"),
        ("job submit", "gpu_model", "--gpu-model"),
        ("job submit", "container.pull", "--pull"),
        ("job submit", "warm_python.preload", "--warm-python"),
        ("job submit", "on_retry.memory_factor", "--memory-factor"),
        ("job submit", "on_retry.memory_max", "--memory-max"),
        ("job submit", "on_retry.on_demand_after", "--on-demand-after"),
        ("job submit", "data.checkpoint", "--checkpoint"),
        ("job submit", "command", "command"),
        ("job list", "q", "SEARCH"),
        ("job list", "state", "--state"),
        ("batch list", "q", "SEARCH"),
        ("batch submit", "callback", "--callback"),
        ("batch submit", "jobs[3].cpu", "jobs[3].cpu"),
        ("schedule create", "timezone", "--time-zone"),
        ("schedule create", "cron", "--cron"),
        ("batch get", "something", "something"),
    ],
)
def test_a_field_is_told_as_it_was_typed(words: str, field: str, typed: str) -> None:
    assert as_typed(field, command(*words.split())) == typed


def test_every_field_of_a_job_that_has_an_option_is_told_by_it() -> None:
    from herder.wire.api.work import JobSubmission

    submit = command("job", "submit")
    told = {name: as_typed(name, submit) for name in JobSubmission.__struct_fields__}
    assert {name for name, typed in told.items() if not typed.startswith("--")} == {
        "command", "data", "on_retry",
        "runtime", "attempts_max", "parents", "parents_results", "always_run", "affinity", "group", "sleep_ms",
    }  # fmt: skip
