"""Finds bootstraps by kind and opens them with their settings. Called by the server when it opens, and by checks of herder.yaml.

Built in are the folders of this package; others come by entry points of the group `herder.bootstraps` that name a module or object with
`settings_type` and `make`. Nothing of a kind is imported before it is asked for. It keeps no bootstraps.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from herder.model.fleet.driver import DriverError
from herder.model.values.phrases import clause
from herder.ports.bootstrap import Bootstrap, BootstrapContext
from herder.wire import kind_settings
from herder.wire.kind_settings import BadSettings, SettingFault, instead

GROUP = "herder.bootstraps"
_WHAT = "Bootstrap"


class BootstrapKind(Protocol):
    """What the package of a bootstrap (or the entry point of a third party) offers."""

    settings_type: type
    """A dataclass. Its fields stand beside `kind` in herder.yaml."""

    def make(self, settings: Any, context: BootstrapContext, /) -> Bootstrap:
        """Makes no call yet. Raises DriverError (InvalidRequest) when the settings cannot be used."""


class UnknownBootstrap(LookupError):
    """There is no bootstrap of this kind; the text names the ones there are."""


def bootstrap_kinds() -> list[str]:
    """The names that `open_bootstrap` knows, in order."""
    return sorted({*_built_in(), *(point.name for point in _third_party())})


def open_bootstrap(kind: str, settings: Mapping[str, object], context: BootstrapContext) -> Bootstrap:
    """Raises UnknownBootstrap or BadSettings. Calls nothing yet: that is `Bootstrap.check`."""
    offered = load(kind)
    read = kind_settings.read(_WHAT, kind, offered.settings_type, settings)
    try:
        return offered.make(read, context)
    except BadSettings:
        raise
    except DriverError as error:
        raise BadSettings(f"Bootstrap {kind!r} cannot be opened: {clause(error)}.") from error
    except Exception as error:  # somebody else's code, before the server has begun
        raise BadSettings(
            f"Bootstrap {kind!r} cannot be opened: {type(error).__name__}: {clause(error)}."
        ) from error


def settings_faults(kind: str, settings: Mapping[str, object]) -> list[SettingFault]:
    """All that is wrong with the kind and the settings of a bootstrap. Opens nothing."""
    try:
        settings_type = load(kind).settings_type
    except UnknownBootstrap as error:
        remedy = "Set another kind, or install the package of this bootstrap where Herder runs."
        return [SettingFault("", str(error), remedy)]
    return kind_settings.faults(_WHAT, kind, settings_type, settings, "{}: …")


def load(kind: str) -> BootstrapKind:
    """Raises UnknownBootstrap."""
    if kind in _built_in():
        return _whole(kind, import_module(f"herder.bootstraps.{kind.replace('-', '_')}"))
    for point in _third_party():
        if point.name == kind:
            try:
                return _whole(kind, point.load())
            except ImportError as error:
                raise UnknownBootstrap(
                    f"Bootstrap {kind!r} ({point.value}) cannot be imported: {clause(error)}."
                ) from error
    kinds = bootstrap_kinds()
    raise UnknownBootstrap(
        f"There is no bootstrap {kind!r}. {instead(kind, kinds) if kinds else 'No bootstrap is installed.'}"
    )


def _whole(kind: str, offered: BootstrapKind) -> BootstrapKind:
    lacking = [name for name in ("settings_type", "make") if not hasattr(offered, name)]
    if lacking:
        where = getattr(offered, "__name__", repr(offered))
        raise UnknownBootstrap(
            f"Bootstrap {kind!r} cannot be used: {where} does not define {' and '.join(lacking)}."
        )
    return offered


def _built_in() -> list[str]:
    """As herder.yaml writes them: with dashes."""
    from herder import bootstraps

    return [
        module.name.replace("_", "-") for module in pkgutil.iter_modules(bootstraps.__path__) if module.ispkg
    ]


def _third_party() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)
