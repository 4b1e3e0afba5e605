"""Finds drivers by name and opens them with their settings. Called by the server when it opens.

Built in are the folders of this package; others come by entry points of the group `herder.drivers` that name a module or
object with `settings_type` and `make`. Nothing of a driver is imported before it is asked for. It keeps no drivers.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from herder.model.fleet.creation import DEFAULT_LIMITS, CreationLimits
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import clause
from herder.wire import kind_settings
from herder.wire.kind_settings import BadSettings, SettingFault, instead

GROUP = "herder.drivers"


__all__ = [
    "BadSettings",
    "DriverKind",
    "SettingFault",
    "UnknownDriver",
    "creation_limits",
    "driver_kinds",
    "load",
    "open_driver",
    "read_settings",
    "settings_faults",
]


class DriverKind(Protocol):
    """What a driver's package (or a third party's entry point) offers."""

    settings_type: type

    def make(self, settings: Any, context: DriverContext, /) -> Driver: ...


class UnknownDriver(LookupError):
    """There is no driver of this kind; the text names the ones there are."""


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


def creation_limits(kind: str) -> CreationLimits:
    """The defaults of a kind: its own (`creation_limits` beside `make`), or the usual ones. Raises UnknownDriver."""
    own = getattr(load(kind), "creation_limits", DEFAULT_LIMITS)
    return own if isinstance(own, CreationLimits) else DEFAULT_LIMITS


def settings_faults(
    kind: str, settings: Mapping[str, object], pool: PoolSpec | None = None
) -> list[SettingFault]:
    """All that is wrong with a driver's kind and settings. Opens nothing: what a driver looks at itself is found by `open_driver`.
    `pool`: instead, what is wrong with its `driver_options`, for a kind that offers `pool_faults`."""
    try:
        offered = load(kind)
        if pool is not None:
            found = getattr(offered, "pool_faults", _none)(pool)
            return [SettingFault(*each) for each in found]
        settings_type = offered.settings_type
    except UnknownDriver as error:
        if pool is not None:
            return []
        remedy = "Set another kind, or install the package of this driver where Herder runs."
        return [SettingFault("", str(error), remedy)]
    return kind_settings.faults("Driver", kind, settings_type, settings, "settings: {{{}: …}}")


def _none(_pool: PoolSpec) -> list[tuple[str, str, str]]:
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
    raise UnknownDriver(f"There is no driver {kind!r}. {instead(kind, driver_kinds())}")


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
    return kind_settings.read("Driver", kind, settings_type, settings)


def _built_in() -> list[str]:
    """As herder.yaml writes them: with dashes."""
    from herder import drivers

    return [
        module.name.replace("_", "-") for module in pkgutil.iter_modules(drivers.__path__) if module.ispkg
    ]


def _third_party() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)
