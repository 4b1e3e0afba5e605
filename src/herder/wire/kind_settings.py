"""Reads the settings of a kind that a package brings with it (a driver, a bootstrap) into the dataclass of that kind.

Used by the registries of drivers and bootstraps; it opens nothing and imports no kind. `what` is how the sentences call it: "Driver".
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec

from herder.wire.decode_errors import explained


class BadSettings(ValueError):
    """`field` is the setting at fault, or empty."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class SettingFault(NamedTuple):
    """`setting` is empty when it is the kind itself that is wrong."""

    setting: str
    message: str
    remedy: str


_REMEDIES: Mapping[object, str] = {
    bool: "Write true or false.",
    int: "Write a whole number, without a unit.",
    float: "Write a number, without a unit.",
    float | None: "Write a number, without a unit.",
}


def faults(
    what: str, kind: str, settings_type: type, settings: Mapping[str, object], under: str
) -> list[SettingFault]:
    """All that is wrong with them. `under`: how a missing one is written, with the name in place of {}."""
    fields = {field.name: field for field in dataclasses.fields(settings_type)}
    hints = get_type_hints(settings_type, include_extras=True)
    found = []
    for name, value in settings.items():
        if name not in fields:
            message = f"{what} {kind!r} has no setting {name!r}."
            found.append(SettingFault(name, message, instead(name, fields)))
            continue
        try:
            msgspec.convert(value, hints[name], strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            remedy = _REMEDIES.get(hints[name], "Set another value.")
            found.append(
                SettingFault(name, f"The value {value!r} is not possible: {explained(error)[0]}.", remedy)
            )
    for name, field in fields.items():
        if name not in settings and field.default is field.default_factory is dataclasses.MISSING:
            message = f"{what} {kind!r} needs the setting {name!r}."
            found.append(SettingFault("", message, f"Write `{under.format(name)}`."))
    return found or _as_a_whole(what, kind, settings_type, settings)


def _as_a_whole(
    what: str, kind: str, settings_type: type, settings: Mapping[str, object]
) -> list[SettingFault]:
    """What its own `__post_init__` says of settings that are each right."""
    try:
        read(what, kind, settings_type, settings)
    except BadSettings as error:
        return [SettingFault(error.field, str(error), "Change one of these settings.")]
    return []


def read(what: str, kind: str, settings_type: type, settings: Mapping[str, object]) -> Any:
    """Plain data to the settings of the kind. Raises BadSettings."""
    known = [field.name for field in dataclasses.fields(settings_type)]
    for name in settings:
        if name not in known:
            raise BadSettings(f"{what} {kind!r} has no setting {name!r}. {instead(name, known)}", name)
    try:
        return msgspec.convert(dict(settings), settings_type, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        text, field = explained(error)
        raise BadSettings(f"{what} {kind!r}: {field + ': ' if field else ''}{text}.", field) from None


def _decode(wanted: type, value: object) -> object:
    """What settings may hold beside plain types: paths."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


def instead(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names, and all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    near = f"Did you mean {close[0]!r}? " if close else ""
    return f"{near}Possible values are {', '.join(known)}."
