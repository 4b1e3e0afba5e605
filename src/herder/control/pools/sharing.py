"""The current settings of sharing: set at start and by `apply`, kept in the store, changed while jobs run.

Called by the server's start and by `control/pools/pool_actions.py`. A section that is given replaces the one before it whole, so that what
is taken out of a file is gone; sections that are not given stay as they are. What runs is never touched by a change.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.settings import SettingsError, SharingSettings, sharing_from_plain, sharing_to_plain
from herder.settings.sections.jobs.sharing import SECTIONS
from herder.settings.sections.pipelines import SECTION as PIPELINES
from herder.store.rows.versions import stamped

#: The row of `meta` that holds it, in the plain form of herder.yaml.
META_KEY = "sharing"
#: Projects, users with a quota, or priority classes: each costs a little in every placement.
NAMED_MAX = 10_000
#: Of all pipelines of herder.yaml together: they stay in memory.
PIPELINES_BYTES = 2**20

Differences = dict[str, tuple[Any, Any]]


def wanted(core: Core, given: Mapping[str, Any]) -> SharingSettings:
    """What would be in force with these sections. Raises Invalid that names every fault."""
    try:
        found = sharing_from_plain(
            {**sharing_to_plain(core.sharing), **given}, resources=core.state.resources
        )
    except SettingsError as error:
        raise Invalid(str(error), field="sharing", hint="Nothing was applied.") from None
    sharing = found.sharing
    if max(len(sharing.projects), len(sharing.users), len(sharing.priority_classes)) > NAMED_MAX:
        raise Invalid(
            f"There are more than {NAMED_MAX} projects, quotas or priority classes.", field="sharing"
        )
    size = sum(len(each.config.encode()) for each in sharing.pipelines)
    if size > PIPELINES_BYTES:
        raise Invalid(
            f"The configurations of pipelines have {size:,} bytes; the maximum is {PIPELINES_BYTES:,}.",
            field="sharing.pipelines",
            hint="Store large ones with `herder pipeline set`.",
        )
    return found


def differences(old: SharingSettings, new: SharingSettings) -> Differences:
    """By path, as in `projects.research.cohort`: what was and what will be."""
    before, after = sharing_to_plain(old), sharing_to_plain(new)
    found: Differences = {}
    for section in SECTIONS:
        for name in sorted({*before[section], *after[section]}):
            was, is_now = before[section].get(name, {}), after[section].get(name, {})
            if section == PIPELINES:
                was, is_now = _brief(was), _brief(is_now)
            for key in [*is_now, *(key for key in was if key not in is_now)]:
                if was.get(key) != is_now.get(key):
                    found[f"{section}.{name}.{key}"] = (was.get(key), is_now.get(key))
    return found


def _brief(pipeline: Mapping[str, str]) -> dict[str, str]:
    """Instead of a long text, by which two of them are told apart."""
    found = {}
    for key, text in pipeline.items():
        data = text.encode()
        found[key] = f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}"
    return found


def change(core: Core, changes: Changes, new: SharingSettings, now_ms: int, *, actor: str) -> None:
    """Put `new` in force, with an event, if it differs from what is."""
    found = differences(core.sharing, new)
    if found:
        put_in_force(core, changes, new)
        tell(core, changes, found, now_ms, actor=actor)


def put_in_force(core: Core, changes: Changes, new: SharingSettings) -> None:
    """Live from the next placement on, and written down."""
    take(core, new)
    text = json.dumps(stamped("sharing", sharing_to_plain(new)), separators=(",", ":"))
    changes.put(MetaRecord(META_KEY, text))


def take(core: Core, new: SharingSettings) -> None:
    """In memory only: at the start, for what the store has."""
    core.sharing = new
    core.state.sharing = new.sharing
    core.directory.members = _members(new)
    core.placer.set_ageing(new.ageing)
    core.raw_classes.clear()  # the names of priorities may mean something else now
    core.state.fresh_demand = True


def _members(settings: SharingSettings) -> dict[UserName, dict[str, Role]]:
    found: dict[UserName, dict[str, Role]] = {}
    for project in settings.sharing.projects:
        for user, role in project.members:
            found.setdefault(UserName(user), {})[project.name] = role
    return found


def tell(core: Core, changes: Changes, found: Differences, now_ms: int, *, actor: str) -> None:
    """The change as an event."""
    text = f"The settings of sharing were changed: {', '.join(sorted(found))}."
    record_event(
        core.state,
        changes,
        now_ms,
        "sharing.updated",
        "sharing/fleet",
        text,
        actor=actor,
        data={"fields": found},
    )
