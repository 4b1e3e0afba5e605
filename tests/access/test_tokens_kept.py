"""Tokens that ended long ago are forgotten, in memory and store, with their sessions; last uses are written once an hour at most."""

from pathlib import Path

from sqlalchemy import select

from herder.control.commands import Commands
from herder.control.kernel.clock import now_ms
from herder.control.loops.housekeeping import look_after_tokens
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.stored.retention import Retention
from herder.store.rows import tables as t
from tests.web.world import open_core


async def test_housekeeping_of_tokens(tmp_path: Path) -> None:
    core = await open_core(tmp_path, "ann's own token", "secret")
    try:
        commands, directory, changes, now = Commands(core), core.directory, Changes(), now_ms()
        old = directory.add_token(changes, "ann", Role.USER, "old", now)
        gone = directory.add_token(changes, "ann", Role.USER, "gone", now)
        await core.commit(changes)
        cookie = await commands.sign_in(gone)
        for token, days in ((old, 29), (gone, 31)):
            (record,) = [
                each for each in directory.tokens.values() if each.note == ("old" if token is old else "gone")
            ]
            ended = now - days * 86_400_000
            directory.put_token(changes, record._replace(expires_at_ms=ended))
        await core.commit(changes)
        commands.principal("ann's own token")
        await look_after_tokens(core)
        rows = await core.read(lambda connection: connection.execute(select(t.tokens)).all())
        assert {row.note: row.last_used_at_ms is not None for row in rows} == {"": True, "old": False}
        assert {record.note for record in directory.tokens.values()} == {"", "old"}
        assert commands.visitor(cookie) is None
        assert not directory.sessions
        assert not await core.read(lambda connection: connection.execute(select(t.sessions)).all())
        commits = core.store.commits
        commands.principal("ann's own token")
        await look_after_tokens(core)
        assert core.store.commits == commits, "within the hour nothing is written again"
        assert Retention().tokens_ms == 30 * 86_400_000
    finally:
        await core.close()
        core.store.engine.dispose()  # type: ignore[attr-defined]
