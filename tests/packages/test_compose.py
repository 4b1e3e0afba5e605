"""The Compose file: what it refers to exists, every service is confined, and its settings are a herder.yaml."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from herder.app import whole_app
from herder.settings.load import load
from tests.packages.conftest import ROOT

FOLDER = ROOT / "packaging" / "compose"
FILE: dict[str, Any] = YAML(typ="safe").load(FOLDER / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
#: Of the specification of Compose, what this file uses.
KEYS = {
    "image", "command", "environment", "ports", "volumes", "tmpfs", "networks", "depends_on", "healthcheck", "stop_grace_period",
    "restart", "read_only", "cap_drop", "security_opt", "profiles", "user",
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_refers_to_what_exists(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KEYS
    assert set(service["networks"]) <= set(FILE["networks"])
    for other, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]
    sources = [volume.split(":")[0] for volume in service["volumes"] if ":" in volume]
    for source in sources:
        assert (FOLDER / source).exists() if source.startswith(".") else source in FILE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_only_the_server_reaches_the_stores() -> None:
    reached = {name for name, service in SERVICES.items() if "stores" in service["networks"]}
    assert reached == {"server", "postgresql", "valkey"}
    assert FILE["networks"]["stores"]["internal"] is True


def test_no_password_is_in_the_file() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    passwords = re.findall(r"(?:PASSWORD: |herder:)(\$\{\w+:\?[^}]+\}|[^\s@]+@)", text)
    assert len(passwords) == 2
    assert all(each.startswith("${POSTGRES_PASSWORD:?") for each in passwords)


def test_the_commands_exist() -> None:
    commands: Any = get_command(whole_app())
    told = {"server": SERVICES["server"]["command"], "agent": ["agent", *SERVICES["agent"]["command"]]}
    for name, words in told.items():
        known = {option for each in commands.commands[name].params for option in each.opts}
        assert words[0] == name
        assert {word for word in words if word.startswith("--")} <= known


def test_its_settings_are_read() -> None:
    (pool,) = load([FOLDER / "herder.yaml"]).pools
    assert pool.name == "hands"
