"""Another user of the machine gets nothing of the demo; and nothing of the person's environment gets into its clouds."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from herder.demo.clouds.machines import _environment
from herder.demo.clouds.site import played_clouds, settings_text, variables
from herder.demo.demo_server import begin
from herder.wire.worker import startup

TOKENS = {"google": "/token", "azure": "/tenant/oauth2/v2.0/token", "aws": "/?Action=DescribeInstances"}


def test_only_who_knows_the_secret_of_its_address_is_answered_by_a_played_cloud() -> None:
    """Their keys are those of tests, which everybody knows, and their machines are programs of this user."""
    with played_clouds() as clouds:
        for cloud in clouds.all:
            assert len(urlsplit(cloud.url).path) > 30
            for place in ("", "/another"):
                answer = httpx.post(f"{cloud.server.address}{place}{TOKENS[cloud.driver]}", trust_env=False)
                assert answer.status_code == 404
            known = httpx.post(f"{cloud.url}{TOKENS[cloud.driver]}", trust_env=False)
            assert known.status_code != 404
        assert len({urlsplit(cloud.url).path for cloud in clouds.all}) == len(clouds.all)


def test_a_played_machine_has_no_credentials_and_no_proxy_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = (
        "AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG",
        "HTTP_PROXY", "https_proxy", "HERDER_TOKEN", "MY_PASSWORD",
    )  # fmt: skip
    for name in foreign:
        monkeypatch.setenv(name, "theirs")
    found = _environment("#!/bin/sh\nexport HERDER_SERVER=http://127.0.0.1:1\n", tmp_path)
    assert "theirs" not in found.values()
    assert (found["HERDER_SERVER"], found[startup.WORK_FOLDER]) == (
        "http://127.0.0.1:1",
        str(tmp_path / "work"),
    )
    assert found["PATH"]


def test_files_of_the_demo_are_for_its_user_alone_in_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    (folder / "demo.yaml").touch(mode=0o644)
    with played_clouds() as clouds:
        world = begin(folder, 0, "server", lambda place: settings_text(place, clouds), variables())
        try:
            for name in ("demo.yaml", "server.log", "google.json", "azure.json"):
                assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
        finally:
            world.stop()
