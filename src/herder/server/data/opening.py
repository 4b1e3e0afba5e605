"""Opens a server's data: first the place (folder, lock, secret, database), then, for a server that leads, what is in the store.

Called by `runtime.py`. Errors are `StartError`s. The lock on the folder is kept until the place is closed.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from herder.control.access.tokens import Directory
from herder.control.alerts import actions
from herder.control.kernel.bounds.limits import (
    LOG_BYTES_PER_ATTEMPT,
    QUEUED_BYTES_PER_USER,
    QUEUED_JOBS_PER_USER,
)
from herder.control.kernel.clock import now_ms
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.control.kernel.settings import CoreSettings
from herder.control.pools.sharing import META_KEY
from herder.control.recovery.recover import recover
from herder.control.recovery.resources import resources_record
from herder.drivers.registry import creation_limits
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState
from herder.ledger.totals import Totals
from herder.model.fleet.membership import LivesBy
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.model.values.addresses import shown_address
from herder.model.values.phrases import agree, clause, counted
from herder.secrets.sealing import KeyRing
from herder.server.data.place import Place, secret_file
from herder.server.data.store_mark import compare
from herder.server.options import ADMIN_TOKEN, ServerOptions, StartError
from herder.settings import SettingsError
from herder.settings.sections.creations import limits_over
from herder.settings.sections.server import UserSettings
from herder.store.opening.database import (
    StoreError,
    migrate,
    unusable,
)
from herder.store.opening.leadership import Leader, take_over
from herder.store.rows.incarnation import INSTALLATION
from herder.store.rows.tables import meta, pools
from herder.store.rows.versions import UnknownVersion, opened

log = logging.getLogger(__name__)

ADMIN_USER = "admin"
SERVER_FILE = "server.json"
#: Quotas change with every machine that anybody makes; providers count such questions.
QUOTAS_PERIOD_S = 60.0


@dataclass(slots=True, kw_only=True)
class Opened:
    """Everything durable of one server. `changes` is what opening itself wants written first."""

    place: Place
    leader: Leader
    state: EngineState
    ledger: Totals
    directory: Directory
    unswept: list[int]
    installation: str
    changes: Changes
    never_had_pools: bool
    sharing: dict[str, Any] | None
    """How the fleet is shared, as `control/pools/sharing.py` wrote it."""
    actions: str | None
    """The actions of alerts that had begun, as `control/alerts/actions.py` wrote them."""


def open_data(options: ServerOptions, place: Place, leader: Leader | None = None) -> Opened:
    """`leader` None: the store is taken over now. Raises StartError."""
    try:
        migrate(place.database)
        changes = Changes()
        mine, found, known, never_had_pools = _taken_over(options, place.database, leader, changes)
    except StoreError as error:
        raise StartError(str(error), error.hint) from None
    state, directory, unswept, ledger = found
    kept = resources_record(state.resources)
    if known.get(kept.key, "{}") != kept.value:
        changes.put(kept)
    installation = known.get(INSTALLATION)
    if installation is None:
        installation = hash_token(new_token())[:12]
        changes.put(MetaRecord(INSTALLATION, installation))
    return Opened(
        place=place,
        leader=mine,
        state=state,
        ledger=ledger,
        directory=directory,
        unswept=unswept,
        installation=installation,
        changes=changes,
        never_had_pools=never_had_pools,
        sharing=_sharing(known.get(META_KEY)),
        actions=known.get(actions.META_KEY),
    )


def _sharing(text: str | None) -> dict[str, Any] | None:
    """Raises StartError."""
    try:
        return None if text is None else opened("sharing", json.loads(text), "The stored settings of sharing")
    except ValueError as error:
        raise StartError(str(error)) from None


_Recovered = tuple[EngineState, Directory, list[int], Totals]


def _taken_over(
    options: ServerOptions, database: Engine, leader: Leader | None, changes: Changes
) -> tuple[Leader, _Recovered, dict[str, str], bool]:
    """From here on nobody else writes, so what is read is all there is. Raises StoreError."""
    try:
        if leader is None:
            leader = take_over(database, now_ms())
        with database.connect() as connection:
            found = (*recover(connection, now_ms(), options.resources, changes), read_ledger(connection))
            known = {row.key: row.value for row in connection.execute(select(meta))}
            compare(
                options.data_dir,
                known.get(INSTALLATION),
                leader.epoch,
                connection,
                found[0],
                changes,
                now_ms(),
            )
            never_had_pools = connection.execute(select(pools.c.name).limit(1)).first() is None
    except DBAPIError as error:
        raise unusable(database, error) from None
    except (UnknownVersion, SettingsError) as error:
        raise StoreError(str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"The store at {shown_address(database.url.render_as_string())} has data that cannot be read ({type(error).__name__}: {clause(error)}).",
            "Restore a backup, and please report this as a bug in Herder.",
        ) from None
    return leader, found, known, never_had_pools


def core_settings(
    options: ServerOptions, installation: str, secret: str, url: str, keys: KeyRing | None = None
) -> CoreSettings:
    return CoreSettings(
        secret_keys=keys,
        server_url=options.public_url or url,
        installation=installation,
        secret=secret,
        poll_s=options.poll_s,
        sweep_period_s=options.sweep_period_s,
        quotas_period_s=QUOTAS_PERIOD_S,
        self_delete_after_s=options.self_delete_after_s,
        metric_sources=options.metric_sources,
        object_stores=options.object_stores,
        intakes=options.intakes,
        stale_after_s={each.name: each.stale_after_s for each in options.clusters},
        queued_jobs_per_user=options.queued_jobs_per_user or QUEUED_JOBS_PER_USER,
        queued_bytes_per_user=options.queued_bytes_per_user or QUEUED_BYTES_PER_USER,
        budget_quantum_s=options.budget_quantum_s,
        log_bytes_per_attempt=options.log_bytes_per_attempt or LOG_BYTES_PER_ATTEMPT,
        retention=options.retention.store,
        callbacks=options.callbacks,
        alerts=options.alerts,
        recommendations=options.recommendations,
        observations_kept_s=options.retention.observations_s,
        observations_bytes_max=options.retention.observations_mib * 2**20,
        sweep_delay_s=options.sweep.delay_s,
        sweep_missing_delay_s=options.sweep.missing_delay_s,
        removals_least=options.sweep.removals_max,
        removals_part=options.sweep.removals_percent / 100,
        creation_limits={
            each.name: limits_over(each.limits, creation_limits(each.kind)) for each in options.drivers
        },
    )


def ensure_admin(options: ServerOptions, opened: Opened, *, declared: bool = True) -> str:
    """The users of the files, and the administrator's token, in a file that only its owner can read. `declared` False: the users of the
    store are left as they are.

    A token that no longer works is replaced: whoever can read the data folder is an administrator anyhow. When `admin` was deleted
    and somebody else is an administrator, it stays deleted; the file then gets a token of theirs if they have none.
    """
    path, now = options.data_dir / ADMIN_TOKEN, now_ms()
    directory = opened.directory
    if not directory.administrators:
        when = "at the start of the server"
        _put_user(directory, opened.state, opened.changes, ADMIN_USER, Role.ADMINISTRATOR, 1, now, when)
    put_declared(
        options.users if declared else (), directory, opened.state, opened.changes, now,
        when="at the start of the server",
    )  # fmt: skip
    directory.declared = frozenset(UserName(user.name) for user in options.users)
    if not directory.administrators:
        raise StartError(
            "There would be no administrator: herder.yaml gives all administrators another role.",
            "Give one of its users the role administrator.",
        )
    try:
        token = path.read_text().strip() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise StartError(
            f"Cannot read {path}: {why}.",
            "Check its permissions, or delete the file; the server then creates a new one.",
        ) from None
    whose = _without_token(directory, token, now)
    if whose is not None:
        token = secret_file(path, fresh=True)
        directory.add_token(
            opened.changes, whose, Role.ADMINISTRATOR, "created at the start of the server", now, token=token
        )
    return token


def _without_token(directory: Directory, token: str, now: int) -> str | None:
    """Whose administrator's token is to be made: that of `admin`, or when no administrator can get in, that of the first."""
    keys = {name: directory.keys_of(name, now) for name in directory.administrators}
    if ADMIN_USER in keys:
        shown = hash_token(token)
        return (
            None if any(record.hash == shown for found in keys.values() for record in found) else ADMIN_USER
        )
    return None if any(keys.values()) else min(keys)


def put_declared(
    users: Sequence[UserSettings],
    directory: Directory,
    state: EngineState,
    changes: Changes,
    now: int,
    *,
    when: str,
) -> int:
    """Put the users of the files in force; answers how many were made or changed."""
    changed = 0
    for user in users:
        known = directory.users.get(UserName(user.name))
        if known is None or (known.role, known.weight) != (user.role.label, user.weight):
            _put_user(directory, state, changes, user.name, user.role, user.weight, now, when)
            changed += 1
    directory.declared = frozenset(UserName(user.name) for user in users)
    return changed


def _put_user(
    directory: Directory,
    state: EngineState,
    changes: Changes,
    name: str,
    role: Role,
    weight: int,
    now: int,
    when: str,
) -> None:
    verb = "updated" if UserName(name) in directory.users else "created"
    user = directory.add_user(changes, name, role, weight, now)
    state.weights[UserName(name)] = weight
    record_event(
        state, changes, now, f"user.{verb}", f"user/{name}", f"User {name} was {verb} {when} with the role {role.label}.",
        data={"role": user.role, "weight": weight}, owner=name,
    )  # fmt: skip


def last_url(folder: Path) -> str:
    """Where the server of this data folder listened last; empty: not known."""
    try:
        url = json.loads((folder / SERVER_FILE).read_text(encoding="utf-8"))["url"]
        return url if isinstance(url, str) and port_of(url) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def port_of(url: str) -> int:
    """0: none. Raises ValueError."""
    return urlsplit(url).port or 0


def moved_text(options: ServerOptions, last: str, url: str, state: EngineState) -> str:
    """What is said of workers that look for the server at another address than it has now; empty: nothing."""
    left = sum(worker.spec.membership.lives_by is LivesBy.EXCHANGE for worker in state.workers.values())
    if not left or not last or last == url or options.public_url:
        return ""
    workers, there = counted(left, "worker"), urlsplit(last).hostname == urlsplit(url).hostname
    remedy = f"with --port {port_of(last)}" if there else "at that address"
    return (
        f"The server listens on {url}, but {workers} {agree(left, 'looks', 'look')} for it at {last} and "
        f"{agree(left, 'is', 'are')} replaced after dead_after. To keep {agree(left, 'it', 'them')}, start the server {remedy}."
    )


def write_server_file(options: ServerOptions, url: str) -> None:
    """How the command line on this machine finds the server. No secret in it."""
    token = options.data_dir / ADMIN_TOKEN
    content = {"url": url, "pid": os.getpid()}
    if token.exists():  # a server that has never led has none
        content["token_file"] = str(token.resolve())
    path = options.data_dir / SERVER_FILE
    draft = path.with_suffix(".new")
    try:
        draft.write_text(json.dumps(content) + "\n")
        draft.replace(path)  # whoever looks sees all of it
    except OSError as error:
        log.warning(
            "Cannot write %s: %s. Commands on this machine need --server %s.", path, error.strerror, url
        )
