"""Drivers are found by name, built in or by entry point, and wrong settings are named."""

import importlib.metadata
import types

import pytest

from herder.drivers import registry
from herder.drivers.local import LocalDriver
from herder.drivers.pretend import PretendDriver, PretendSettings


def test_built_in_drivers_are_listed() -> None:
    assert {"local", "pretend"} <= set(registry.driver_kinds())


def test_drivers_open_with_plain_settings(tmp_path: object) -> None:
    local = registry.open_driver("local", {"data_folder": str(tmp_path), "name": "here", "workers_most": "3"})
    assert isinstance(local, LocalDriver)
    assert local.name == "here"
    assert isinstance(registry.open_driver("pretend", {}), PretendDriver)


def test_an_unknown_driver_is_answered_with_the_nearest() -> None:
    with pytest.raises(registry.UnknownDriver, match="did you mean 'local'"):
        registry.open_driver("locl", {})


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"boot": 1}, "boot", "did you mean 'boot_s'"),
        ({"boot_s": "soon"}, "boot_s", "boot_s"),
        ({"machines_most": 1.5}, "machines_most", "machines_most"),
    ],
)
def test_wrong_settings_name_the_field(settings: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(registry.BadSettings, match=words) as caught:
        registry.open_driver("pretend", settings)
    assert caught.value.field == field


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(registry.BadSettings, match="data_folder"):
        registry.open_driver("local", {})


def test_drivers_of_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = types.SimpleNamespace(settings_type=PretendSettings, make=PretendDriver)
    point = importlib.metadata.EntryPoint(name="theirs", value="no.such:thing", group=registry.GROUP)
    monkeypatch.setattr(registry, "_third_party", lambda: [point])
    with pytest.raises(registry.UnknownDriver, match="cannot be imported"):
        registry.open_driver("theirs", {})
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: offered)
    assert isinstance(registry.open_driver("theirs", {"name": "x"}), PretendDriver)
    assert "theirs" in registry.driver_kinds()
