"""Settings: load, validate, explain and lint herder.yaml. Used by the server at its start and by the command line.

Reads files, answers with frozen values or with every fault at once; never changes anything. The names below are imported when they
are first asked for: most commands need no more than `SettingsError`. A function that is called as its module (`lint`, `load`, `json_schema`)
is imported from there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herder.settings.lint import BootstrapFaults, DriverFaults
    from herder.settings.load import Settings, load_texts
    from herder.settings.sections.jobs.sharing import SharingSettings, sharing_from_plain, sharing_to_plain
    from herder.settings.sections.pool.bounds import faults_of
    from herder.settings.sections.pool.pools import pool_from_plain, pool_to_plain
    from herder.settings.sections.pool.presets import PRESETS, TEMPLATES, local_defaults
    from herder.settings.show import as_written, expanded, without_passwords
    from herder.settings.syntax.amounts import resources_from_plain, resources_from_text, resources_to_plain
    from herder.settings.syntax.durations import format_duration, parse_duration
    from herder.settings.syntax.problems import Problem, SettingsError, Severity

_HOMES = {
    "lint": ("BootstrapFaults", "DriverFaults"),
    "load": ("Settings", "load_texts"),
    "sections.pool.bounds": ("faults_of",),
    "sections.pool.pools": ("pool_from_plain", "pool_to_plain"),
    "sections.pool.presets": ("PRESETS", "TEMPLATES", "local_defaults"),
    "sections.jobs.sharing": ("SharingSettings", "sharing_from_plain", "sharing_to_plain"),
    "show": ("as_written", "expanded", "without_passwords"),
    "syntax.amounts": ("resources_from_plain", "resources_from_text", "resources_to_plain"),
    "syntax.durations": ("format_duration", "parse_duration"),
    "syntax.problems": ("Problem", "SettingsError", "Severity"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "PRESETS",
    "TEMPLATES",
    "BootstrapFaults",
    "DriverFaults",
    "Problem",
    "Settings",
    "SettingsError",
    "Severity",
    "SharingSettings",
    "as_written",
    "expanded",
    "faults_of",
    "format_duration",
    "load_texts",
    "local_defaults",
    "parse_duration",
    "pool_from_plain",
    "pool_to_plain",
    "resources_from_plain",
    "resources_from_text",
    "resources_to_plain",
    "sharing_from_plain",
    "sharing_to_plain",
    "without_passwords",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found
