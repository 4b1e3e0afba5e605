"""Jobs as people write them: the names of the options in files, `defaults`, and their own files taken along."""

import json
from pathlib import Path
from typing import Any

import pytest

from herder.cli.input.job_rows import API_NAMES, NAMES
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.main import build_app
from herder.wire.api.work import JobSubmission
from herder.wire.worker.exchange import ContainerOptions, WarmPython
from tests.cli.conftest import Herder
from tests.support.fake_api import FakeApi

SCRIPT = "#!/bin/sh\necho hello\n"


def sent(api: FakeApi) -> list[dict[str, Any]]:
    return list(api.bodies("/api/v1/batches")[-1]["jobs"])


def test_a_file_has_the_names_of_the_options_and_defaults(
    api: FakeApi, herder: Herder, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    text = """
    name: nightly
    defaults: {cpu: 2, timeout: 10m, env: {A: "1", B: "2"}, select: {zone: a}, tolerate: [spot=true, {key: x}]}
    jobs:
      - {name: one, command: [sort, data.csv], input: [data.csv, copy=data.csv], env: {B: "3"}}
      - {command: [x], memory_factor: 2, on_demand_after: 1, cpu: 1, timeout: 1h30m, parents: [one], resource: {licence/a: 1}, stdin: {text: in}, cwd: .}
    """
    (tmp_path / "jobs.yaml").write_text(text)
    assert herder("batch", "submit", "jobs.yaml").code == 0
    both = {"selector": {"zone": "a"}, "tolerations": [{"key": "spot", "value": "true"}, {"key": "x"}]}
    assert sent(api) == [
        {
            "command": ["sort", "data.csv"], "key": "one", "cpu": 2, "timeout_s": 600.0, "env": {"A": "1", "B": "3"},
            "inputs": {"data.csv": "1,2\n", "copy": "1,2\n"}, **both,
        },
        {
            "command": ["x"], "cpu": 1, "timeout_s": 5400.0, "env": {"A": "1", "B": "2"}, "parents": ["one"],
            "on_retry": {"memory_factor": 2, "on_demand_after": 1}, "resources": {"licence/a": 1}, "stdin": "in", "cwd": str(tmp_path), **both,
        },
    ]  # fmt: skip


def test_the_three_forms_mean_the_same(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    defaults, jobs = {"timeout": "5s", "name": "n"}, [{"command": ["a"]}, {"command": ["b"], "name": "m"}]
    whole = {"project": "p", "defaults": defaults}
    (tmp_path / "j.json").write_text(json.dumps({**whole, "jobs": jobs}))
    (tmp_path / "j.yaml").write_text(json.dumps({**whole, "jobs": jobs}))
    (tmp_path / "j.jsonl").write_text("\n".join(map(json.dumps, [whole, *jobs])))
    bodies = []
    for name in ("j.json", "j.yaml", "j.jsonl"):
        assert herder("batch", "submit", name).code == 0, name
        bodies.append(api.bodies("/api/v1/batches")[-1])
    assert bodies[0] == bodies[1] == bodies[2]
    assert (bodies[0]["project"], [job["timeout_s"] for job in bodies[0]["jobs"]]) == ("p", [5, 5])


def test_every_option_that_describes_a_job_is_a_name_of_files() -> None:
    from typer.main import get_command

    submit = get_command(build_app()).commands["job"].commands["submit"]  # type: ignore[attr-defined]
    options = {name for each in submit.params for name in each.opts if name.startswith("--")}
    about_the_call = {"--wait", "--follow", "--dry-run"}
    from herder.cli.shell.commands import _GLOBAL_NAMES

    everywhere = {"--" + name.replace("_", "-") for name in _GLOBAL_NAMES}
    named = {option.removeprefix("--").replace("-", "_") for option in options - about_the_call - everywhere}
    in_container = {"pull"}  # written under `container`, as the page on containers shows
    warm = {"preload"}  # under `warm_python`
    assert named - {"help"} - in_container - warm <= set(NAMES)
    assert warm <= set(WarmPython.__struct_fields__)
    assert in_container <= set(ContainerOptions.__struct_fields__)
    assert set(API_NAMES.values()) <= set(JobSubmission.__struct_fields__)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{command: [a], timeout: .nan}", "j.yaml:1:27: [0].timeout: .nan is not a number"),
        ("{command: [a], timeout: .inf}", "j.yaml:1:27: [0].timeout: .inf is not a number"),
        ("{command: [a], gpu: .inf}", "j.yaml:1:23: [0].gpu: .inf is not a number"),
        ("{command: [a], cpu: .nan}", "j.yaml:1:23: [0].cpu: .nan is not a number"),
        (
            "{command: [a], retries: 10000000000000000000000}",
            "job 0: retries: a number of 23 digits is too large",
        ),
        ("{command: [a], timeout: 90}", "job 0: timeout: '90' has no unit; write 90s"),
        ("{command: [a], timeout: 0}", "job 0: timeout: it must be more than 0"),
        ("{command: [a], timeout_s: 5}", "Write timeout instead"),
        ("{command: [a], selector: {a: b}}", "Write select instead"),
        ("{command: [a], memory: 1e300}", "job 0: memory:"),
        (
            "{command: [a], env: {A: 1}}",
            'job 0: env.A: it must be text, not a whole number; write it in quotes: "1"',
        ),
        (
            "{command: [a], select: {A: true}}",
            'job 0: select.A: it must be text, not true or false; write it in quotes: "true"',
        ),
        ("{command: make it}", "it must be a list, not text; write it as a list of words: [make, report]"),
        ("{command: [a], input: [missing]}", "job 0: missing: No such file"),
        ("{command: [a], defaults: 1}", "there is no setting 'defaults'"),
        ("3", "job 0: it must be a mapping, not a whole number"),
    ],
)
def test_what_is_wrong_is_told_with_place_and_remedy(
    api: FakeApi, herder: Herder, tmp_path: Path, row: str, says: str
) -> None:
    (tmp_path / "j.yaml").write_text(f"- {row}\n")
    found = herder("batch", "submit", "j.yaml")
    assert (found.code, api.calls) == (Code.USAGE, [])
    assert says in found.err
    assert "float" not in found.err
    assert "`" not in found.err.splitlines()[0]


def job_sent(api: FakeApi, herder: Herder, *words: str) -> dict[str, Any]:
    found = herder("job", "submit", *words)
    assert found.code == 0, found.err
    return dict(api.bodies("/api/v1/jobs")[-1])


def test_a_script_named_by_its_path_is_taken_along(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text(SCRIPT)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "t").write_text(SCRIPT)
    job = job_sent(api, herder, "./s.sh", "a b")
    assert (job["command"], job["inputs"]) == (["./s.sh", "a b"], {"s.sh": SCRIPT})
    job = job_sent(api, herder, "bin/t")
    assert (job["command"], job["inputs"]) == (["./bin/t"], {"bin/t": SCRIPT})
    job = job_sent(api, herder, "--input", "bin", "--", "bin/t")
    assert (job["command"], job["inputs"]) == (["./bin/t"], {"bin/t": SCRIPT})
    job = job_sent(api, herder, "--cwd", "bin", "--", "./t")
    assert (job["command"], job["cwd"], "inputs" in job) == (["./t"], str(tmp_path / "bin"), False)
    assert "inputs" not in job_sent(api, herder, "/bin/true")
    assert "--input s.sh" in herder("job", "submit", "sh", "./s.sh").err, "it says that it stays behind"


def test_files_folders_and_stdin(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "p" / "sub").mkdir(parents=True)
    (tmp_path / "p" / "sub" / "a").write_text("1")
    (tmp_path / "p" / ".git").mkdir()
    (tmp_path / "p" / ".git" / "HEAD").write_text("x")
    job = job_sent(api, herder, "-i", "p", "-i", "x.txt=p/sub/a", "--stdin", "p/sub/a", "--", "ls")
    assert (job["inputs"], job["stdin"]) == ({"p/sub/a": "1", "x.txt": "1"}, "1")
    assert job_sent(api, herder, "-i", str(tmp_path / "p"), "--", "ls")["inputs"] == {"p/sub/a": "1"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["./missing.sh"], "missing.sh: No such file or directory"),
        (["./folder"], "./folder is a folder"),
        (["./plain"], "does not begin with #!"),
        (["--input", "binary", "--", "x"], "binary is not UTF-8 text"),
        (["--input", "large", "--", "x"], "large is larger than 256 KiB"),
        (["--input", "/dev/zero", "--", "x"], "/dev/zero is not a file"),
        (["--input", "many", "--", "x"], "has more than 100 files."),
        (["--stdin", "none", "--", "x"], "none: No such file"),
        (["--timeout", "0", "--", "x"], "--timeout: it must be more than 0"),
    ],
)
def test_what_cannot_be_taken_along(
    api: FakeApi, herder: Herder, tmp_path: Path, words: list[str], says: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "many").mkdir()
    for number in range(101):
        (tmp_path / "many" / str(number)).touch()
    (tmp_path / "plain").write_text("echo")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_bytes(b"x" * 300_000)
    found = herder("job", "submit", *words)
    assert (found.code, api.calls) == (Code.USAGE, [])
    assert says in found.err


def test_what_is_wrong_with_a_file_of_a_job_is_a_sentence(herder: Herder, tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text("- {command: [a], input: [missing]}\n")
    said = herder("batch", "submit", str(path)).err
    assert "missing: No such file or directory. " in said
    assert ".." not in said


def test_data_by_url_is_written_beside_the_files_that_are_sent(
    api: FakeApi, herder: Herder, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text("1,2\n")
    text = """
    - command: [x]
      input: [data.csv, "s3://b/x=data/x", "https://h/a%20b.txt", "gs://b/d/*.txt", "az://c/folder/=in/"]
      save: ["out/*.txt=s3://b/res/", "log=file:///logs/{job}"]
      always_copy_output: true
    """
    (tmp_path / "jobs.yaml").write_text(text)
    assert herder("batch", "submit", "jobs.yaml").code == 0
    (job,) = sent(api)
    assert job["inputs"] == {"data.csv": "1,2\n"}
    assert job["data"] == {
        "inputs": [
            {"url": "s3://b/x", "path": "data/x"},
            {"url": "https://h/a%20b.txt", "path": "a b.txt"},
            {"url": "gs://b/d/*.txt", "path": "./"},
            {"url": "az://c/folder/", "path": "in/"},
        ],
        "outputs": [
            {"url": "s3://b/res/", "path": "out/*.txt"},
            {"url": "file:///logs/{job}", "path": "log"},
        ],
        "always_copy_output": True,
    }


def test_an_output_without_its_url_is_refused(api: FakeApi, herder: Herder) -> None:
    done = herder("job", "submit", "--save", "out.txt", "--", "true")
    assert done.code == Code.USAGE
    assert "'out.txt' is not an output; write PATH=URL" in done.err
    assert api.bodies("/api/v1/jobs") == []


def test_groups_and_attributes_of_a_file(herder: Herder, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "j.yaml").write_text(
        "groups: [{path: a, cancel_after_failures: 2}]\n"
        "attributes: {team: x}\n"
        "defaults: {group: a, attribute: {lane: '4', run: r}}\n"
        "jobs: [{command: [b], group: a/b, attribute: {run: s}}, {command: [c]}]\n"
    )
    assert herder("batch", "submit", "j.yaml", "--attribute", "when=now").code == 0
    body = api.bodies("/api/v1/batches")[-1]
    assert body["attributes"] == {"team": "x", "when": "now"}
    assert body["groups"] == [{"path": "a", "cancel_after_failures": 2}]
    assert [(job["group"], job["attributes"]) for job in body["jobs"]] == [
        ("a/b", {"lane": "4", "run": "s"}),
        ("a", {"lane": "4", "run": "r"}),
    ]
