"""Finds drivers by name and opens them with their settings. Called by the server when it opens.

Built in are the folders of this package; others come by entry points of the group `herder.drivers` that name a module or
object with `settings_type` and `make`. Nothing of a driver is imported before it is asked for. It keeps no drivers.
"""

import dataclasses
import difflib
import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_type_hints

import msgspec

from herder.model.fleet.creation import DEFAULT_LIMITS, CreationLimits
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.values.phrases import clause
from herder.wire.decode_errors import explained

GROUP = "herder.drivers"


class DriverKind(Protocol):
    """What a driver's package (or a third party's entry point) offers."""

    settings_type: type

    def make(self, settings: Any, context: DriverContext, /) -> Driver: ...


class UnknownDriver(LookupError):
    """There is no driver of this kind; the text names the ones there are."""


class BadSettings(ValueError):
    """`field` is the setting at fault, or empty."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def driver_kinds() -> list[str]:
    """The names that `open_driver` knows, in order."""
    return sorted({*_built_in(), *(point.name for point in _third_party())})


def open_driver(kind: str, settings: Mapping[str, object], context: DriverContext) -> Driver:
    """Raises UnknownDriver or BadSettings. Talks to no provider yet: that is `Driver.health`."""
    offered = load(kind)
    read = read_settings(kind, offered.settings_type, settings)
    try:
        return offered.make(read, context)
    except BadSettings:
        raise
    except Exception as error:  # somebody else's code, before the server has begun
        raise BadSettings(
            f"Driver {kind!r} cannot be opened: {type(error).__name__}: {clause(error)}."
        ) from error


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


def creation_limits(kind: str) -> CreationLimits:
    """The defaults of a kind: its own (`creation_limits` beside `make`), or the usual ones. Raises UnknownDriver."""
    own = getattr(load(kind), "creation_limits", DEFAULT_LIMITS)
    return own if isinstance(own, CreationLimits) else DEFAULT_LIMITS


def settings_faults(kind: str, settings: Mapping[str, object]) -> list[SettingFault]:
    """All that is wrong with a driver's kind and settings. Opens nothing: what a driver looks at itself is found by `open_driver`."""
    try:
        settings_type = load(kind).settings_type
    except UnknownDriver as error:
        remedy = "Set another kind, or install the package of this driver where Herder runs."
        return [SettingFault("", str(error), remedy)]
    fields = {field.name: field for field in dataclasses.fields(settings_type)}
    hints = get_type_hints(settings_type, include_extras=True)
    found = []
    for name, value in settings.items():
        if name not in fields:
            message = f"Driver {kind!r} has no setting {name!r}."
            found.append(SettingFault(name, message, _instead(name, list(fields))))
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
            message = f"Driver {kind!r} needs the setting {name!r}."
            found.append(SettingFault("", message, f"Write `settings: {{{name}: …}}`."))
    return found or _as_a_whole(kind, settings_type, settings)


def _as_a_whole(kind: str, settings_type: type, settings: Mapping[str, object]) -> list[SettingFault]:
    """What its own `__post_init__` says of settings that are each right."""
    try:
        read_settings(kind, settings_type, settings)
    except BadSettings as error:
        return [SettingFault(error.field, str(error), "Change one of these settings.")]
    return []


def load(kind: str) -> DriverKind:
    """Raises UnknownDriver."""
    if kind in _built_in():
        return _whole(kind, import_module(f"herder.drivers.{kind.replace('-', '_')}"))
    for point in _third_party():
        if point.name == kind:
            try:
                return _whole(kind, point.load())
            except ImportError as error:
                raise UnknownDriver(
                    f"Driver {kind!r} ({point.value}) cannot be imported: {clause(error)}."
                ) from error
    raise UnknownDriver(f"There is no driver {kind!r}. {_instead(kind, driver_kinds())}")


def _whole(kind: str, offered: DriverKind) -> DriverKind:
    lacking = [name for name in ("settings_type", "make") if not hasattr(offered, name)]
    if lacking:
        where = getattr(offered, "__name__", repr(offered))
        raise UnknownDriver(
            f"Driver {kind!r} cannot be used: {where} does not define {' and '.join(lacking)}."
        )
    return offered


def read_settings(kind: str, settings_type: type, settings: Mapping[str, object]) -> object:
    """Plain data to the driver's settings. Raises BadSettings."""
    known = [field.name for field in dataclasses.fields(settings_type)]
    for name in settings:
        if name not in known:
            raise BadSettings(f"Driver {kind!r} has no setting {name!r}. {_instead(name, known)}", name)
    try:
        return msgspec.convert(dict(settings), settings_type, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        text, field = explained(error)
        raise BadSettings(f"Driver {kind!r}: {field + ': ' if field else ''}{text}.", field) from None


def _decode(wanted: type, value: object) -> object:
    """What settings may hold beside plain types: paths."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


def _built_in() -> list[str]:
    """As herder.yaml writes them: with dashes."""
    from herder import drivers

    return [
        module.name.replace("_", "-") for module in pkgutil.iter_modules(drivers.__path__) if module.ispkg
    ]


def _third_party() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


def _instead(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    near = f"Did you mean {close[0]!r}? " if close else ""
    return f"{near}Possible values are {', '.join(known)}."
