"""A secret through the installed command: the job has it, and nothing on the machine shows it while the job runs or after."""

import base64
import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import HERDER, Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(180)]

VALUE = "Xy7-nobody-may-see-this-q9"
FORMS = (VALUE.encode(), base64.b64encode(VALUE.encode()).rstrip(b"=")[:-1])


def shown_in(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if any(form in content for form in FORMS):
                found.append(path)
    return found


def command_lines() -> list[bytes]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_bytes())
        except OSError:
            continue
    return [line for line in found if any(form in line for form in FORMS)]


def folders_in_memory() -> set[Path]:
    return set(Path("/dev/shm").glob("herder-secrets-*/*"))


def client(installation: Installation) -> httpx.Client:
    token = (installation.data / "admin.token").read_text().strip()
    url = json.loads((installation.data / "server.json").read_text())["url"] + "/api/v1"
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=90)


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_secret_is_where_the_job_is_and_nowhere_else(installation: Installation) -> None:
    installation.start()
    before = folders_in_memory()
    done = subprocess.run(
        [*HERDER, "secret", "create", "db"],
        input=VALUE + "\n", env=installation.env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert VALUE not in done.stdout + done.stderr
    script = (
        f'[ "$DB" = "$(cat $HERDER_SECRETS/db)" ] && [ ${{#DB}} = {len(VALUE)} ] || exit 3; echo "password $DB"; '
        f"touch {installation.folder}/runs; while [ ! -e {installation.folder}/end ]; do sleep 0.05; done"
    )
    submit = ("job", "submit", "--secret", "db=env:DB", "--secret", "db=file:db")
    job = installation.run(*submit, "-o", "name", "--", "bash", "-c", script).strip()
    installation.until((installation.folder / "runs").exists, 60, "the job to run")
    assert command_lines() == []
    assert len(folders_in_memory() - before) == 1
    installation.run("admin", "backup", str(installation.folder / "backup.db"))
    (installation.folder / "end").touch()
    with client(installation) as http:
        http.get(f"/jobs/{job}/wait?timeout_s=60").raise_for_status()
        paths = (
            f"/jobs/{job}/logs",
            f"/jobs/{job}",
            "/secrets/db",
            "/secrets",
            "/events",
            "/plans",
            "/status",
        )
        said = "".join(http.get(path).raise_for_status().text for path in paths)
    assert "password " + "*" * len(VALUE) in said
    assert VALUE not in said
    assert folders_in_memory() <= before
    assert installation.stop() == 0
    assert shown_in(installation.folder) == [], "store, backup, logs of server and workers, work folders"
    assert os.stat(installation.data / "secrets.key").st_mode & 0o777 == 0o600
