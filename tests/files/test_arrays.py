"""Arrays and commands a line, as `herder batch submit` reads them."""

from pathlib import Path

import pytest

from herder.cli.input.arrays import ARRAY_MAX, array_jobs, defaults_of, line_jobs, parse_array
from herder.cli.shell.exit_codes import CommandError


@pytest.mark.parametrize(
    ("text", "indices", "parallel_max"),
    [
        ("1-5", [1, 2, 3, 4, 5], None),
        ("0-9:3", [0, 3, 6, 9], None),
        ("7", [7], None),
        ("5,1,3-4,4", [1, 3, 4, 5], None),
        ("1-3%2", [1, 2, 3], 2),
    ],
)
def test_indices_are_read_as_slurm_reads_them(
    text: str, indices: list[int], parallel_max: int | None
) -> None:
    array = parse_array(text)
    assert (array.indices, array.parallel_max) == (indices, parallel_max)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "5-1",
        "1-10:0",
        "-3",
        "1-",
        "1,,2",
        "1-3%",
        "1-3%0",
        "1-3%x",
        "0-2147483648",
        "1-1000001",
        "0,5-1000005",
    ],
)
def test_what_is_no_array_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        parse_array(text)
    assert refused.value.message.startswith(f"--array: {text[:50]!r} cannot be read: ")
    assert "1-100" in refused.value.hint


def test_a_million_indices_are_an_array() -> None:
    assert len(parse_array(f"1-{ARRAY_MAX}").indices) == ARRAY_MAX


def test_each_job_of_an_array_has_its_index_and_its_name() -> None:
    found = array_jobs(parse_array("2-3%1"), ["run"], defaults_of(["cpu=2", "env.A=b", "name=sim"]))
    assert [(job.key, job.env, job.cpu) for job in found.jobs] == [
        ("sim-2", {"A": "b", "HERDER_ARRAY_INDEX": "2"}, "2"),
        ("sim-3", {"A": "b", "HERDER_ARRAY_INDEX": "3"}, "2"),
    ]
    assert found.batch.parallel_max == 1
    assert found.places == ["index 2", "index 3"]
    assert [job.key for job in array_jobs(parse_array("8"), ["true"], {}).jobs] == ["8"]


def test_a_line_is_a_command_for_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "commands.txt"
    path.write_text("echo a | wc\n\n  \n./b 'c d'\n")
    found = line_jobs(str(path), {"memory": "1Gi"})
    assert [job.command for job in found.jobs] == [["sh", "-c", "echo a | wc"], ["sh", "-c", "./b 'c d'"]]
    assert found.places == ["line 1", "line 4"]
    assert {job.memory for job in found.jobs} == {"1Gi"}
    path.write_text("\n")
    with pytest.raises(CommandError, match="has no commands"):
        line_jobs(str(path), {})


@pytest.mark.parametrize("given", ["cpu", "cpus=2", "cpu=fast"])
def test_a_setting_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(CommandError):
        array_jobs(parse_array("1-2"), ["true"], defaults_of([given]))
