"""Loads herder.yaml: one or several files and folders become one frozen `Settings`, or one error with every problem.

Called by `herder apply`, `herder config` and the server at its start. Reads files and changes nothing, ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herder.analysis.optimisation.recommendations import Rules
from herder.ledger.budgets.spec import BudgetSpec
from herder.model.fleet.bootstrap import BootstrapSettings
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.alerts import AlertRules
from herder.model.work.callbacks import CallbackRules
from herder.settings.sections import alerts as alerts_section
from herder.settings.sections import bootstraps as bootstraps_section
from herder.settings.sections import clusters as clusters_section
from herder.settings.sections.budgets import SECTION as BUDGETS
from herder.settings.sections.budgets import read_budgets
from herder.settings.sections.jobs import object_stores as object_stores_section
from herder.settings.sections.jobs.callbacks import CALLBACKS, read_callbacks
from herder.settings.sections.jobs.intakes import SECTION as INTAKES
from herder.settings.sections.jobs.intakes import IntakeSettings, read_intake
from herder.settings.sections.jobs.job_types import SECTION as JOB_TYPES
from herder.settings.sections.jobs.sharing import SECTIONS, UNDERSCORED, SharingSettings, read_sharing
from herder.settings.sections.observability import OBSERVABILITY, TraceSettings, read_traces
from herder.settings.sections.pipelines import SECTION as PIPELINES
from herder.settings.sections.pool.bounds import faults_of
from herder.settings.sections.pool.pools import read_pool, read_template
from herder.settings.sections.pool.presets import TEMPLATES
from herder.settings.sections.recommendations import SECTION as RECOMMENDATIONS
from herder.settings.sections.recommendations import read_recommendations
from herder.settings.sections.server import (
    DriverSettings,
    MetricSource,
    ServerSettings,
    UserSettings,
    read_driver,
    read_server,
    read_source,
    read_user,
)
from herder.settings.sections.upkeep import (
    RETENTION,
    SWEEP,
    RetentionSettings,
    SweepSettings,
    read_retention,
    read_sweep,
)
from herder.settings.syntax import validation
from herder.settings.syntax.amounts import SECTION, read_declared
from herder.settings.syntax.files import STDIN, Unreadable, read_text
from herder.settings.syntax.problems import Place, Problem, SettingsError
from herder.settings.syntax.unfilled import with_unfilled
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Listing, Table, Value, join, to_plain
from herder.settings.syntax.yaml_text import read_yaml

TOP_KEYS = (
    SECTION,
    "drivers",
    "templates",
    "pools",
    "users",
    "projects",
    "priority_classes",
    "fair_share",
    JOB_TYPES,
    PIPELINES,
    BUDGETS,
    "metric_sources",
    INTAKES,
    clusters_section.SECTION,
    bootstraps_section.SECTION,
    object_stores_section.SECTION,
    "server",
    SWEEP,
    RETENTION,
    CALLBACKS,
    alerts_section.SECTION,
    RECOMMENDATIONS,
    OBSERVABILITY,
)
SINGLE_KEYS = (
    SECTION,
    "server",
    "fair_share",
    SWEEP,
    RETENTION,
    CALLBACKS,
    alerts_section.SECTION,
    RECOMMENDATIONS,
    OBSERVABILITY,
)
"""Sections that are not lists of named things: each stands in one file only."""
SUFFIXES = (".yaml", ".yml", ".json")
FILE_BYTES_MAX = 4 * 2**20
"""Largest file that is read. herder.yaml of a large fleet has some tens of KiB."""
FILES_MAX = 1_000
"""Most files of one load: a wrong folder given by mistake is refused, not read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the files say. `templates` holds the built-in ones too; `places` knows where each key stands."""

    resources: Dimensions = PLAIN
    """Which resources there are."""
    drivers: tuple[DriverSettings, ...] = ()
    templates: tuple[Template, ...] = ()
    pools: tuple[PoolSpec, ...] = ()
    users: tuple[UserSettings, ...] = ()
    metric_sources: tuple[MetricSource, ...] = ()
    budgets: tuple[BudgetSpec, ...] = ()
    intakes: tuple[IntakeSettings, ...] = ()
    clusters: tuple[ClusterSettings, ...] = ()
    bootstraps: tuple[BootstrapSettings, ...] = ()
    object_stores: tuple[object_stores_section.ObjectStore, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    sweep: SweepSettings = field(default_factory=SweepSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    callbacks: CallbackRules = field(default_factory=CallbackRules)
    traces: TraceSettings = field(default_factory=TraceSettings)
    alerts: AlertRules = field(default_factory=AlertRules)
    recommendations: Rules = field(default_factory=Rules)
    sharing: SharingSettings = field(default_factory=SharingSettings)
    sharing_sections: tuple[str, ...] = ()
    """Those of them that stand in the files, be they empty."""
    files: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    """As it stands in the files, without defaults and presets."""

    def driver(self, name: str) -> DriverSettings | None:
        return next((each for each in self.drivers if each.name == name), None)

    def place(self, key: str) -> Place:
        """Where `key` stands, or the nearest thing around it that stands somewhere."""
        while key and key not in self.places:
            end = max(key.rfind("."), key.rfind("["))
            key = key[: max(end, 0)]
        return self.places.get(key, Place(file=self.files[0] if self.files else "herder.yaml"))


def load(paths: Sequence[str | Path], *, part: bool = False) -> Settings:
    """The settings of these files and folders (`*.yaml`, `*.yml`, `*.json` in them, by name); `-` is stdin. `part`: they are put beside what a server has. Raises SettingsError."""
    found = Reading()
    texts = list(_read_files(found, paths))
    if found.problems:
        raise SettingsError(found.problems)
    return load_texts(texts, part=part)


def load_texts(texts: Iterable[tuple[str, str]], *, part: bool = False) -> Settings:
    """The settings of (file name, text) pairs; `part` as of `load`. Raises SettingsError with every fault of every file."""
    found = Reading(part=part)
    files: list[str] = []
    read: list[Value] = []
    sections: dict[str, list[Value]] = {key: [] for key in TOP_KEYS}
    for file, content in texts:
        files.append(file)
        try:
            documents = read_yaml(content, file)
        except SettingsError as error:
            found.problems.extend(error.problems)
            continue
        read += documents
        for document in documents:
            for entry in validation.known_only(found, validation.table(found, document), TOP_KEYS):
                sections[entry.name].append(entry.value)
    settings = _assemble(found, sections, files)
    problems = with_unfilled(found.problems, read)
    if problems:
        problems = with_unfilled([*found.problems, *_out_of_bounds(found, settings)], read)
        raise SettingsError(sorted(problems, key=lambda each: _order(files, each)))
    return settings


def _out_of_bounds(found: Reading, settings: Settings) -> list[Problem]:
    """What `lint` would find next, of settings about which nothing is said yet: a file is then corrected in one go."""
    said = {problem.key for problem in found.problems}
    faults = (
        (f"pools.{pool.name}.{key}", message, remedy)
        for pool in settings.pools
        for key, message, remedy in faults_of(pool)
    )
    return [
        Problem(place=settings.place(key), key=key, message=message, remedy=remedy)
        for key, message, remedy in faults
        if key not in said
    ]


def _order(files: list[str], problem: Problem) -> tuple[int, int, int]:
    file = problem.place.file
    return (files.index(file) if file in files else len(files), problem.place.line, problem.place.column)


def _assemble(found: Reading, sections: Mapping[str, list[Value]], files: list[str]) -> Settings:
    rows = {key: _unique(found, key, values) for key, values in sections.items() if key not in SINGLE_KEYS}
    singles = {key: _single(found, key, sections[key]) for key in SINGLE_KEYS}
    found.resources = read_declared(found, singles[SECTION])
    catalogue = dict(TEMPLATES)
    for entry, table in rows["templates"]:
        catalogue[entry.name] = read_template(found, entry.name, table, TEMPLATES.get(entry.name))
    server, fair_share = singles["server"], singles["fair_share"]
    return Settings(
        resources=found.resources,
        drivers=tuple(read_driver(found, entry, table) for entry, table in rows["drivers"]),
        templates=tuple(catalogue.values()),
        pools=tuple(read_pool(found, entry, table, catalogue) for entry, table in rows["pools"]),
        users=tuple(read_user(found, entry, table) for entry, table in rows["users"]),
        metric_sources=tuple(read_source(found, entry, table) for entry, table in rows["metric_sources"]),
        budgets=read_budgets(found, rows[BUDGETS]),
        intakes=tuple(read_intake(found, entry, table) for entry, table in rows[INTAKES]),
        clusters=tuple(
            clusters_section.read_cluster(found, entry, table)
            for entry, table in rows[clusters_section.SECTION]
        ),
        bootstraps=tuple(
            bootstraps_section.read_bootstrap(found, entry, table)
            for entry, table in rows[bootstraps_section.SECTION]
        ),
        object_stores=tuple(
            object_stores_section.read_object_store(found, entry, table)
            for entry, table in rows[object_stores_section.SECTION]
        ),
        server=read_server(found, server) if server is not None else ServerSettings(),
        sweep=read_sweep(found, singles[SWEEP]),
        retention=read_retention(found, singles[RETENTION]),
        callbacks=read_callbacks(found, singles[CALLBACKS]),
        traces=read_traces(found, singles[OBSERVABILITY]),
        alerts=alerts_section.read_alerts(found, singles[alerts_section.SECTION]),
        recommendations=read_recommendations(found, singles[RECOMMENDATIONS]),
        sharing=read_sharing(found, fair_share, rows),
        sharing_sections=tuple(key for key in SECTIONS if sections[key]),
        files=tuple(files),
        places=_places(rows, singles),
        written=_written(rows, singles),
    )


def _single(found: Reading, key: str, values: Sequence[Value]) -> Value | None:
    if len(values) > 1:
        first = values[0].place
        found.wrong(
            values[1],
            f"The section `{key}` is defined twice, first in {first}.",
            "Write the whole section in one file.",
        )
    return values[0] if values else None


def _unique(found: Reading, key: str, values: Sequence[Value]) -> list[tuple[Entry, Table]]:
    """The named things of one section over all files; a name may stand once only."""
    first: dict[str, Entry] = {}
    out: list[tuple[Entry, Table]] = []
    for value in values:
        for entry, table in validation.named_tables(found, value, key in (*UNDERSCORED, BUDGETS)):
            if entry.name in first:
                where = first[entry.name].place
                message = f"{entry.name!r} is defined twice, first in {where}."
                found.problem(entry.place, table.key, message, "Rename or remove one of the two.")
                continue
            first[entry.name] = entry
            out.append((entry, table))
    return out


def _places(
    rows: Mapping[str, list[tuple[Entry, Table]]], singles: Mapping[str, Value | None]
) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for section, named in rows.items():
        for entry, table in named:
            places[f"{section}.{entry.name}"] = entry.place
            for inner in table.entries:
                key = f"{section}.{entry.name}.{inner.name}"
                places[key] = inner.place
                _inner_places(places, key, inner.value)
    for key, value in singles.items():
        for inner in value.entries if isinstance(value, Table) else ():
            places[f"{key}.{inner.name}"] = inner.place
    return places


def _inner_places(places: dict[str, Place], key: str, value: Value) -> None:
    if isinstance(value, Table):
        for entry in value.entries:
            places[join(key, entry.name)] = entry.place
            _inner_places(places, join(key, entry.name), entry.value)
    elif isinstance(value, Listing):
        for number, item in enumerate(value.items):
            places[join(key, number)] = item.place
            _inner_places(places, join(key, number), item)


def _written(
    rows: Mapping[str, list[tuple[Entry, Table]]], singles: Mapping[str, Value | None]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for section, named in rows.items():
        if named:
            out[section] = {entry.name: without_name(to_plain(table)) for entry, table in named}
    for key, value in singles.items():
        if value is not None:
            out[key] = to_plain(value)
    return out


def without_name(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key != "name"}


def _read_files(found: Reading, paths: Sequence[str | Path]) -> Iterable[tuple[str, str]]:
    for path in _files(found, paths):
        name = "stdin" if str(path) == STDIN else str(path)
        try:
            if (text := _bounded(path)) is not None:
                yield name, text
                continue
            message = f"The file is larger than {FILE_BYTES_MAX // 2**20} MiB."
            found.problem(Place(file=name), "", message, "Check that this is the right file.")
        except OSError as error:
            remedy = "Check the path and its permissions."
            found.problem(Place(file=name), "", error.strerror or str(error), remedy)
        except Unreadable as error:
            place = Place(file=name, line=error.line, column=error.column)
            found.problem(place, "", error.message, error.remedy)


def _bounded(path: Path) -> str | None:
    if str(path) != STDIN and path.stat().st_size > FILE_BYTES_MAX:
        return None
    text = read_text(path)
    return text if len(text) <= FILE_BYTES_MAX else None


def _files(found: Reading, paths: Sequence[str | Path]) -> list[Path]:
    out: list[Path] = []
    for each in paths:
        path = Path(each)
        if str(each) == STDIN:
            out.append(path)
        elif path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
            if not inside:
                remedy = "Create a herder.yaml in the folder, or name another folder."
                found.problem(Place(file=str(path)), "", "The folder has no YAML files.", remedy)
            out.extend(inside)
        elif path.exists():
            out.append(path)
        else:
            remedy = "Check the path; `herder config schema` describes the content of such a file."
            found.problem(Place(file=str(path)), "", "There is no such file.", remedy)
    if len(out) > FILES_MAX:
        found.problem(
            Place(file=str(paths[0])), "", f"There are more than {FILES_MAX} files.", "Name fewer files."
        )
        return []
    return list(dict.fromkeys(out))
