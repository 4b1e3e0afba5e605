"""The settings that a running server has, for operators: what is secret is left out, addresses are shown without passwords. Part of `Reads`."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Kind, Principal
from herder.model.values.addresses import shown_address
from herder.wire.api.resources import Page
from herder.wire.api.settings import Origin, SettingView

#: Never shown, whatever they are.
SECRET = ("secret", "secret_keys", "token", "password")
HIDDEN = "not shown"


class SettingReads:
    _core: Core

    def settings(self, who: Principal) -> Page:
        """In the order in which they are documented. Raises Forbidden."""
        check(who, Action.SEE, OF_KIND[Kind.BOOKS], "Seeing the settings of the server")
        found = list(setting_views(self._core.settings))
        return Page(items=found, total=len(found))


def setting_views(settings: Any, prefix: str = "") -> Iterator[SettingView]:
    """Of a dataclass, and of those in it."""
    for each in fields(settings):
        value, name = getattr(settings, each.name), prefix + each.name
        origin: Origin = "default" if _is_default(each, value) else "set"
        if each.name in SECRET:
            yield SettingView(name=name, value=HIDDEN if value else "not set", origin=origin)
        elif is_dataclass(value):
            yield from setting_views(value, f"{name}.")
        elif isinstance(value, Mapping) and value:
            yield from _entries(name, value, origin)
        else:
            yield SettingView(name=name, value=_text(value), origin=origin)


def _entries(name: str, values: Mapping[Any, Any], origin: Origin) -> Iterator[SettingView]:
    for key, value in values.items():
        if is_dataclass(value):
            yield from setting_views(value, f"{name}.{key}.")
        else:
            yield SettingView(name=f"{name}.{key}", value=_text(value), origin=origin)


def _is_default(each: "Field[Any]", value: Any) -> bool:
    if each.default_factory is not MISSING:
        return bool(value == each.default_factory())
    return each.default is not MISSING and bool(value == each.default)


def _text(value: Any) -> str:
    """Of several things their names: what they hold may be secret."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    if isinstance(value, str):
        return shown_address(value)
    if isinstance(value, (tuple, list, set, frozenset, Mapping)):
        return ", ".join(_text(each) for each in value) or "none"
    return str(getattr(value, "name", HIDDEN))
