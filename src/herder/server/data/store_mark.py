"""The mark of the last store in a data folder: how far it was. A server that finds an older one there knows that it was put back.

Written by a task of the running server, read when the next one opens the data. It holds no secret, and nothing depends on its presence:
without it a store is taken as it is. Only numbers that are durable are written, so that a crash never looks like a restore.
"""

import asyncio
import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy import Connection

from herder.control.kernel.core import Core
from herder.control.kernel.put_back import tell_put_back
from herder.control.kernel.secret_tokens import new_salt
from herder.engine.memory.state import EngineState
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import Numbers, Seen, other_store, put_back
from herder.model.values.times import iso
from herder.store.rows.incarnation import numbers_following, remembered_until_ms, seen_in

log = logging.getLogger(__name__)

FILE = "store-mark.json"
#: How often it is brought up to date.
PERIOD_S = 15.0


def read_mark(folder: Path) -> Seen | None:
    """None where there is none, or none that can be read: then nothing is known."""
    try:
        plain = json.loads((folder / FILE).read_text())
        return Seen(
            installation=str(plain["installation"]),
            epoch=int(plain["epoch"]),
            number=int(plain["number"]),
            numbers=Numbers(**{kind: int(plain["numbers"][kind]) for kind in asdict(Numbers())}),
            at_ms=int(plain["at_ms"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_mark(folder: Path, mark: Seen) -> None:
    """In one step; a disk that is full only makes it older."""
    draft = folder / f"{FILE}.new"
    try:
        draft.write_text(json.dumps(asdict(mark)) + "\n")
        draft.replace(folder / FILE)
    except OSError as error:
        log.warning("Cannot write %s: %s.", folder / FILE, error.strerror)


def renew_mark(folder: Path, found: Seen, now_ms: int, *, lies_here: bool) -> None:
    """After a restore: the next start finds what it left. `lies_here`: the store belongs to this data folder; of any other, only a mark
    of the same installation is replaced."""
    before = read_mark(folder)
    if found.installation and (
        lies_here or (before is not None and before.installation == found.installation)
    ):
        write_mark(folder, replace(found, at_ms=now_ms))


async def durable_mark(core: Core, epoch: int) -> Seen:
    """As a start would find it now."""
    found: Seen = await core.read(seen_in)
    now_ms = core.clock.now_ms()
    return replace(found, installation=core.settings.installation, epoch=epoch, at_ms=now_ms)


def other_store_text(folder: Path, installation: str) -> str:
    return (
        f"The data folder {folder} was last used with the store of installation {installation}, which is not this store. "
        "Workers of that installation may still run: check your providers for machines with its tag."
    )


def compare(
    folder: Path,
    installation: str | None,
    epoch: int,
    connection: Connection,
    state: EngineState,
    changes: Changes,
    now_ms: int,
) -> None:
    """Of a store that was just taken over with `epoch` and recovered: when it is older than the mark, or another one, its numbers go on
    beyond those of the lost time. `installation`: None of a store that no server has used."""
    mark = read_mark(folder)
    if mark is None:
        return
    reached = numbers_following(connection).at_least(state.incarnation.next)
    at_ms = mark.at_ms or 0
    if installation != mark.installation:
        state.incarnation = other_store(
            state.incarnation,
            reached,
            mark.numbers.plans,
            seen_at_ms=at_ms,
            now_ms=now_ms,
            why=other_store_text(folder, mark.installation),
        )
    elif epoch <= mark.epoch or reached.jobs < mark.numbers.jobs or reached.events < mark.numbers.events:
        latest = remembered_until_ms(connection)
        state.incarnation = put_back(
            state.incarnation,
            reached,
            taken_at_ms=latest,
            now_ms=now_ms,
            why=(
                f"The store is older than at {iso(at_ms)}, when this data folder was last used. It remembers nothing that happened after "
                f"{iso(latest)}."
            ),
            salt=new_salt(),
            seen=mark,
        )
    else:
        return
    log.warning("%s Unknown machines are kept until you decide: herder admin sweep", state.incarnation.why)
    tell_put_back(state, changes, now_ms)


async def keep(folder: Path, epoch: int, core: Core) -> None:
    """Beside the loops of a running server."""
    while True:
        write_mark(folder, await durable_mark(core, epoch))
        await asyncio.sleep(PERIOD_S)
