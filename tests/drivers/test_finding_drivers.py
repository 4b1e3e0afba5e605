"""Drivers are found by name, built in or by entry point, and wrong settings are named."""

import importlib.metadata
import types
from dataclasses import dataclass

import pytest

from herder.drivers import registry
from herder.drivers.local import LocalDriver
from herder.drivers.pretend import PretendDriver, PretendSettings
from herder.drivers.pretend import make as make_pretend
from herder.model.fleet.driver import DriverContext

HERE = DriverContext(name="here")


def test_built_in_drivers_are_listed() -> None:
    assert {"local", "pretend"} <= set(registry.driver_kinds())


def test_drivers_open_with_plain_settings(tmp_path: object) -> None:
    local = registry.open_driver("local", {"data_folder": str(tmp_path), "workers_most": "3"}, HERE)
    assert isinstance(local, LocalDriver)
    assert local.name == "here"
    assert isinstance(registry.open_driver("pretend", {}, HERE), PretendDriver)


def test_an_unknown_driver_is_answered_with_the_nearest() -> None:
    with pytest.raises(registry.UnknownDriver, match="Did you mean 'local'"):
        registry.open_driver("locl", {}, HERE)


def test_a_package_that_is_no_driver_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "import_module", lambda name: types.SimpleNamespace(__name__=name, make=1))
    with pytest.raises(registry.UnknownDriver, match=r"herder\.drivers\.local does not define settings_type"):
        registry.load("local")


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"boot": 1}, "boot", "Did you mean 'boot_s'"),
        ({"boot_s": "soon"}, "boot_s", "boot_s"),
        ({"machines_most": 1.5}, "machines_most", "machines_most"),
    ],
)
def test_wrong_settings_name_the_field(settings: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(registry.BadSettings, match=words) as caught:
        registry.open_driver("pretend", settings, HERE)
    assert caught.value.field == field


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Needs:
        endpoint: str

    monkeypatch.setattr(registry, "load", lambda kind: types.SimpleNamespace(settings_type=Needs, make=None))
    with pytest.raises(registry.BadSettings, match="endpoint"):
        registry.open_driver("theirs", {}, HERE)


def test_a_driver_that_cannot_be_opened_is_a_setting_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(settings: object, context: DriverContext) -> None:
        raise KeyError("region")

    offered = types.SimpleNamespace(settings_type=PretendSettings, make=make)
    monkeypatch.setattr(registry, "load", lambda kind: offered)
    with pytest.raises(registry.BadSettings, match="cannot be opened: KeyError: 'region'"):
        registry.open_driver("theirs", {}, HERE)


def test_drivers_of_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = types.SimpleNamespace(settings_type=PretendSettings, make=make_pretend)
    point = importlib.metadata.EntryPoint(name="theirs", value="no.such:thing", group=registry.GROUP)
    monkeypatch.setattr(registry, "_third_party", lambda: [point])
    with pytest.raises(registry.UnknownDriver, match="cannot be imported"):
        registry.open_driver("theirs", {}, HERE)
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: offered)
    assert isinstance(registry.open_driver("theirs", {"boot_s": 1}, HERE), PretendDriver)
    assert "theirs" in registry.driver_kinds()
