"""Settings: load, validate, explain and lint herder.yaml. Used by the server at its start and by the command line.

Reads files, answers with frozen values or with every fault at once; never changes anything.
"""

from herder.settings.json_schema import json_schema
from herder.settings.lint import DriverFaults, lint
from herder.settings.load import Settings, load, load_texts
from herder.settings.sections.bounds import faults_of
from herder.settings.sections.pools import pool_from_plain, pool_to_plain, template_to_plain
from herder.settings.sections.presets import PRESETS, TEMPLATES, local_defaults
from herder.settings.sections.server import DriverSettings, ServerSettings, UserSettings
from herder.settings.sections.sharing import SharingSettings, sharing_from_plain, sharing_to_plain
from herder.settings.show import as_written, expanded, without_passwords
from herder.settings.syntax.amounts import resources_from_plain, resources_from_text, resources_to_plain
from herder.settings.syntax.durations import format_duration, parse_duration
from herder.settings.syntax.problems import Place, Problem, SettingsError, Severity

__all__ = [
    "PRESETS",
    "TEMPLATES",
    "DriverFaults",
    "DriverSettings",
    "Place",
    "Problem",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "Severity",
    "SharingSettings",
    "UserSettings",
    "as_written",
    "expanded",
    "faults_of",
    "format_duration",
    "json_schema",
    "lint",
    "load",
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
    "template_to_plain",
    "without_passwords",
]
