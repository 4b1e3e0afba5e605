"""`herder secret` and `--secret` as a user types them: values from stdin and files, none shown, and clear errors."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from herder.app import whole_app
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.main import run
from tests.api.conftest import POOLS, Server
from tests.cli.conftest import Herder, Result
from tests.support.fake_api import FakeApi

Told = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def told(server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """A command with this on its stdin."""

    def call(*words: str, stdin: bytes = b"") -> Result:
        monkeypatch.setenv("HERDER_URL", server.running.url)
        monkeypatch.setenv("HERDER_TOKEN", server.running.token)
        stream = SimpleNamespace(buffer=io.BytesIO(stdin), isatty=lambda: False, read=stdin.decode)
        monkeypatch.setattr("sys.stdin", stream)
        code = run(whole_app(), words)
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return call


def test_the_life_of_a_secret(server: Server, told: Told, tmp_path: Path) -> None:
    assert told("secret", "create", "db", stdin=b"hunter2\n").code == 0
    assert server.http.get("/secrets/db").json()["bytes"] == len("hunter2"), "without the line break"
    (tmp_path / "v").write_bytes(b"\0raw\n")
    assert told("secret", "create", "raw", "--file", str(tmp_path / "v")).code == 0
    assert server.http.get("/secrets/raw").json()["bytes"] == 5, "a file is taken as it is"
    listed = told("secret", "list")
    assert listed.out.splitlines()[0].split()[:3] == ["NAME", "OWNER", "STATUS"]
    assert max(map(len, listed.out.splitlines())) <= 80
    rotated = told("secret", "rotate", "db", stdin=b"another")
    assert "Secret db has a new value, version 2." in rotated.out
    shown = told("secret", "get", "db", "-o", "json")
    assert (json.loads(shown.out)["version"], "another" in shown.out) == (2, False)
    assert "the value is not shown" in told("secret", "get", "db").out
    tried = told("secret", "delete", "db", "--dry-run")
    assert "Secret db of user admin would be deleted." in tried.out
    assert told("secret", "delete", "db", "--yes").code == 0
    assert told("secret", "get", "db").code == Code.NOT_FOUND


def test_what_is_no_value_is_refused_before_anything_is_sent(
    server: Server, told: Told, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    for words, stdin, says in (
        (("create", "e"), b"", "The value is empty."),
        (("create", "e"), b"\n", "The value is empty."),
        (("create", "e"), b"x" * 70_000, "The value is larger than 64 KiB."),
        (("create", "e", "--file", str(tmp_path / "none")), b"", "No such file"),
        (("create", "e", "--file", str(tmp_path / "large")), b"", "The value is larger than 64 KiB."),
        (("create", "e", "hunter2"), b"", "unexpected extra argument"),
    ):
        done = told("secret", *words, stdin=stdin)
        assert (done.code, says in done.err) == (Code.USAGE, True), (words, done.err)
    assert told("secret", "create", "a/b", stdin=b"x").code == Code.USAGE
    assert server.http.get("/secrets/e").status_code == 404


def test_jobs_name_secrets_in_options_and_in_files(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(
        "- {command: [x], secret: [db=env:DB, project/key=file:keys/id, {name: k, file: k}]}\n"
    )
    assert herder("batch", "submit", "jobs.yaml").code == 0
    wanted = [
        {"name": "db", "env": "DB"},
        {"name": "key", "file": "keys/id", "scope": "project"},
        {"name": "k", "file": "k"},
    ]
    assert api.bodies("/api/v1/batches")[-1]["jobs"][0]["secrets"] == wanted
    options = ("--secret", "db=env:DB", "--secret", "project/key=file:keys/id")
    assert herder("job", "submit", *options, "--", "x").code == 0
    assert api.bodies("/api/v1/jobs")[-1]["secrets"] == wanted[:2]
    wrong = herder("job", "submit", "--secret", "db=DB", "--", "x")
    assert (wrong.code, "'db=DB' is not NAME=env:VARIABLE or NAME=file:PATH" in wrong.err) == (
        Code.USAGE,
        True,
    )
