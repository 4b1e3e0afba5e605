"""Reloads the files of a server after SIGHUP: their users, sharing and pools are applied as at start.

Called by `runtime.py`. All of it or nothing: what is wrong in the files is told in one line, and nothing is changed. What only a
start can change (address, store, drivers) is not touched.
"""

import asyncio
from collections.abc import Callable

from herder.control.budgets import settings as budgets
from herder.control.kernel.bounds.errors import Refused
from herder.control.kernel.core import Core
from herder.control.pools import sharing
from herder.control.pools.pool_actions import change_pools, check_pools, keep_stored
from herder.engine.memory.events import record_event
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.server.data.opening import put_declared
from herder.server.options import ServerOptions
from herder.settings import SettingsError

#: Who changed things, as events say it, when the server's own files did.
FILES = "herder"


async def reload(core: Core, again: Callable[[], ServerOptions] | None) -> str:
    """What came of it, in one line."""
    if again is None:
        return "Nothing to reload: the server was started without --config."
    try:
        options = await asyncio.to_thread(again)
        changes = Changes()
        with core.change(changes):
            text = put_in_force(core, changes, options)
    except SettingsError as error:
        first = error.problems[0]
        more = f" {counted(len(error.problems) - 1, 'more problem')}." if len(error.problems) > 1 else ""
        return f"Not reloaded; nothing was changed. {first}{more}".replace("\n", " ")
    except Refused as refused:
        return f"Not reloaded; nothing was changed. {' '.join(filter(None, (refused.detail, refused.hint)))}"
    await core.commit(changes)
    return text


def put_in_force(core: Core, changes: Changes, options: ServerOptions) -> str:
    """Raises Refused or SettingsError before anything is changed."""
    now = core.clock.now_ms()
    shared = sharing.wanted(core, options.sharing)
    pools = [keep_stored(core, pool) for pool in options.pools or ()]
    check_pools(core, pools)
    limits = budgets.wanted(core, options.budgets, now)
    _check_resources(core, options)
    _check_administrators(core, options)
    sharing.change(core, changes, shared, now, actor=FILES)
    users = put_declared(
        options.users, core.directory, core.state, changes, now, when="by a reload of the files"
    )
    changed = change_pools(core, changes, pools, now, actor=FILES)
    limited = budgets.change(core, changes, limits, now, actor=FILES)
    text = f"Reloaded: {changed} of {counted(len(pools), 'pool')} and {users} of {counted(len(options.users), 'user')} changed."
    if limits:
        text = f"{text} {limited} of {counted(len(limits), 'budget')} changed."
    record_event(core.state, changes, now, "server.reloaded", "server/settings", text)
    core.demand_changed.set()
    return text


def _check_resources(core: Core, options: ServerOptions) -> None:
    """Amounts in pools are read by the order of the declared resources, which is fixed from the start on. Raises Refused."""
    declared = options.resources.declared
    if core.state.resources.declared[: len(declared)] != declared:
        raise Refused("The section `resources` has changed.", hint="Restart the server to change it.")


def _check_administrators(core: Core, options: ServerOptions) -> None:
    """Raises Refused when no administrator would be left."""
    role_of = {user.name: user.role for user in options.users}
    left = {
        name
        for name in core.directory.administrators
        if role_of.get(name, Role.ADMINISTRATOR) is Role.ADMINISTRATOR
    }
    if not left and Role.ADMINISTRATOR not in role_of.values():
        raise Refused("There would be no administrator: herder.yaml gives all administrators another role.")
