"""The sections of herder.yaml about sharing: fair_share, priority_classes, projects, quotas of users, job types, pipelines.

`sharing_from_plain` and `sharing_to_plain` are inverse to each other; the plain form travels in an ApplyRequest and is what
the server stores. Called by `load`, the client and the server; reads no file. `sharing_fields` has the single settings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from herder.decide.placement.ageing import Ageing
from herder.model.ids import UserName
from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.job_type import JobType
from herder.model.work.sharing import (
    NO_LIMITS,
    NO_SHARING,
    Preemption,
    PriorityClass,
    ProjectQuota,
    Sharing,
    UserQuota,
)
from herder.settings.sections.fields import Field
from herder.settings.sections.jobs.job_types import SECTION as JOB_TYPES
from herder.settings.sections.jobs.job_types import (
    SLOTS_FIELD,
    check_slots,
    job_types_to_plain,
    read_job_types,
)
from herder.settings.sections.jobs.sharing_fields import (
    AGEING_FIELDS,
    PREEMPTION_FIELDS,
    PRIORITY_FIELDS,
    PROJECT_FIELDS,
    USER_QUEUED_FIELD,
    USER_QUOTA_FIELD,
)
from herder.settings.sections.pipelines import SECTION as PIPELINES
from herder.settings.sections.pipelines import pipelines_to_plain, read_pipelines
from herder.settings.syntax import validation
from herder.settings.syntax.problems import SettingsError
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Table, Value, from_plain

#: The sections, in the order in which they are shown. What else stands in `users` is read elsewhere.
SECTIONS = ("fair_share", "priority_classes", "projects", "users", JOB_TYPES, PIPELINES)
#: Those of them that are lists of named things.
NAMED = SECTIONS[1:]
#: Those of them whose names may have an underscore.
UNDERSCORED = (JOB_TYPES, PIPELINES)
_Named = Iterable[tuple[Entry, Table]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSettings:
    ageing: Ageing = field(default_factory=Ageing)
    sharing: Sharing = NO_SHARING


def sharing_to_plain(settings: SharingSettings) -> dict[str, Any]:
    """All sections, as JSON can hold them and `herder.yaml` would write them."""
    sharing = settings.sharing
    return {
        "fair_share": {
            "ageing": _write(AGEING_FIELDS, settings.ageing),
            "preemption": _write(PREEMPTION_FIELDS, sharing.preemption),
            JOB_TYPES: _write((SLOTS_FIELD,), sharing),
        },
        "priority_classes": {each.name: _write(PRIORITY_FIELDS, each) for each in sharing.priority_classes},
        "projects": {each.name: _write(PROJECT_FIELDS, each) for each in sharing.projects},
        "users": {each.user: _user_to_plain(each) for each in sharing.users},
        JOB_TYPES: job_types_to_plain(sharing.job_types),
        PIPELINES: pipelines_to_plain(sharing.pipelines),
    }


def _user_to_plain(user: UserQuota) -> dict[str, Any]:
    queued = {} if user.queued_jobs is None else {USER_QUEUED_FIELD.key: user.queued_jobs}
    return {USER_QUOTA_FIELD.key: USER_QUOTA_FIELD.write(user.limits), **queued}


def sharing_from_plain(
    plain: Mapping[str, Any], where: str = "sharing", resources: Dimensions = PLAIN
) -> SharingSettings:
    """From a plain form, also an incomplete one (defaults fill it up). Raises SettingsError with every fault."""
    found = Reading(resources=resources)
    sections: dict[str, Value] = {}
    for entry in validation.known_only(found, validation.table(found, from_plain(plain, where)), SECTIONS):
        sections[entry.name] = entry.value
    named = {
        key: validation.named_tables(found, sections[key], key in UNDERSCORED) if key in sections else []
        for key in NAMED
    }
    settings = read_sharing(found, sections.get("fair_share"), named)
    if found.problems:
        raise SettingsError(found.problems)
    return settings


def read_sharing(
    found: Reading, fair_share: Value | None, named: Mapping[str, Iterable[tuple[Entry, Table]]]
) -> SharingSettings:
    """`named`: the sections of named things, by their keys."""
    types = read_job_types(found, named[JOB_TYPES])
    ageing, preemption, slots = _read_fair_share(found, fair_share, types)
    return SharingSettings(
        ageing=ageing,
        sharing=Sharing(
            priority_classes=_read_classes(found, named["priority_classes"]),
            projects=tuple(_read_project(found, entry, table) for entry, table in named["projects"]),
            users=tuple(_read_users(found, named["users"])),
            preemption=preemption,
            job_types=types,
            job_slots=slots,
            pipelines=read_pipelines(found, named[PIPELINES]),
        ),
    )


def _write(fields: tuple[Field, ...], item: object) -> dict[str, Any]:
    return {each.key: each.write(getattr(item, each.attribute)) for each in fields}


def _read(found: Reading, fields: tuple[Field, ...], table: Table) -> dict[str, Any]:
    by_key = {each.key: each for each in fields}
    return {
        by_key[entry.name].attribute: by_key[entry.name].read(found, entry.value)
        for entry in validation.known_only(found, table, ("name", *by_key))
        if entry.name != "name"
    }


def _read_fair_share(
    found: Reading, value: Value | None, types: Iterable[JobType]
) -> tuple[Ageing, Preemption, int | None]:
    parts: dict[str, dict[str, Any]] = {"ageing": {}, "preemption": {}, JOB_TYPES: {}}
    fields = {"ageing": AGEING_FIELDS, "preemption": PREEMPTION_FIELDS, JOB_TYPES: (SLOTS_FIELD,)}
    if value is not None:
        for entry in validation.known_only(found, validation.table(found, value), tuple(parts)):
            parts[entry.name] = _read(found, fields[entry.name], validation.table(found, entry.value))
            if entry.name == JOB_TYPES:
                check_slots(found, entry.value, parts[JOB_TYPES].get("job_slots"), types)
    slots: int | None = parts[JOB_TYPES].get("job_slots")
    return Ageing(**parts["ageing"]), Preemption(**parts["preemption"]), slots


def _read_classes(found: Reading, named: _Named) -> tuple[PriorityClass, ...]:
    classes: dict[int, PriorityClass] = {}
    for entry, table in named:
        values = _read(found, PRIORITY_FIELDS, table)
        if "value" not in values:
            found.problem(
                entry.place, table.key, "The priority class has no value.", "Write for example `value: 100`."
            )
            continue
        made = PriorityClass(name=entry.name, **values)
        same = classes.setdefault(made.value, made)
        if same is not made:
            message = (
                f"The priority classes {same.name!r} and {made.name!r} both have the value {made.value}."
            )
            found.problem(
                entry.place, table.key, message, "Give each class its own value; jobs only store the value."
            )
    return tuple(classes.values())


def _read_project(found: Reading, entry: Entry, table: Table) -> ProjectQuota:
    project = ProjectQuota(name=entry.name, **_read(found, PROJECT_FIELDS, table))
    for key, limits in (
        ("borrowing_limit", project.borrowing_limit),
        ("lending_limit", project.lending_limit),
    ):
        own = project.nominal.named()
        for amount, limit in limits.named().items():
            nominal = own.get(amount)
            if nominal is None:
                message = f"{key} names {amount}, which the project's nominal_quota does not have."
                _wrong(found, entry, table, key, message, "Add it to nominal_quota, or remove it here.")
            elif key == "lending_limit" and limit > nominal:
                message = f"lending_limit {amount} {limit} is above nominal_quota {nominal}."
                _wrong(found, entry, table, key, message, "Lower lending_limit; only quota can be lent.")
    return project


def _wrong(found: Reading, entry: Entry, table: Table, key: str, message: str, remedy: str) -> None:
    value = table.get(key)
    place = entry.place if value is None or value.place.line <= 0 else value.place
    found.problem(place, f"{table.key}.{key}", message, remedy)


def _read_users(found: Reading, named: _Named) -> Iterable[UserQuota]:
    for entry, table in named:
        value, most = table.get(USER_QUOTA_FIELD.key), table.get(USER_QUEUED_FIELD.key)
        limits = NO_LIMITS if value is None else USER_QUOTA_FIELD.read(found, value)
        queued = None if most is None else USER_QUEUED_FIELD.read(found, most)
        if limits.any or queued is not None:
            yield UserQuota(user=UserName(entry.name), limits=limits, queued_jobs=queued)
