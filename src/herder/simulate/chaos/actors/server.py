"""One run of the real server in the simulated world: it reads the store, starts all its loops, and runs until it is stopped or killed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Engine, select
from starlette.types import ASGIApp

from herder.api.application import application
from herder.control.alerts import actions
from herder.control.drivers import driver_actions
from herder.control.jobs.changes import deleting
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.secret_tokens import hash_token
from herder.control.kernel.settings import CoreSettings
from herder.control.pools import sharing
from herder.control.pools.pool_actions import keep_stored, store_pool
from herder.control.recovery.recover import recover
from herder.control.recovery.supervision import supervise
from herder.model.fleet.driver import Driver
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.ports.bootstrap import Bootstrap
from herder.ports.callbacks import Sender
from herder.ports.cluster import Cluster
from herder.server.runtime import LOOPS
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.calls import VirtualCalls
from herder.simulate.chaos.ports.effects import Effects
from herder.simulate.chaos.ports.intake import PlayedQueue
from herder.simulate.chaos.ports.keys import KEYS
from herder.simulate.chaos.ports.network import Endpoint
from herder.simulate.chaos.ports.store import VirtualStore
from herder.store.opening.leadership import take_over
from herder.store.rows.tables import meta
from herder.store.rows.versions import opened

INSTALLATION = "world"
#: All others have the role `user`. Jobs of bob have a priority.
ROLES = {"root": Role.ADMINISTRATOR, "bob": Role.OPERATOR}


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What each run of the server gets from the world."""

    loop: VirtualLoop
    clock: VirtualClock
    dice: Dice
    engine: Engine
    trace: Callable[..., None]
    acted: Callable[[], None]
    """Called when a provider has done something."""
    drivers: Callable[[], dict[str, Driver]]
    clusters: Callable[[], dict[str, Cluster]]
    bootstraps: Callable[[], dict[str, Bootstrap]]
    written: Callable[[Changes], None]
    """Called with each commit when it is durable."""
    core_settings: Mapping[str, Any] = field(default_factory=dict)
    transport: httpx.AsyncBaseTransport | None = None
    sender: Sender | None = None
    queue: PlayedQueue


class Server:
    """Must be created and started in a task of its host."""

    def __init__(
        self,
        host: str,
        around: Surroundings,
        effects: Effects,
        *,
        on_fatal: Callable[[BaseException], None],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.host, self.around, self.effects = host, around, effects
        engine, clock = around.engine, around.clock
        leader = take_over(engine, clock.now_ms())
        self.store = VirtualStore(
            engine,
            around.dice,
            around.trace,
            on_fatal,
            leader=leader,
            effects=effects,
            written=around.written,
        )
        self.calls = VirtualCalls(clock, around.dice, around.trace, around.acted, effects)
        self._changes = Changes()
        with engine.connect() as connection:
            state, directory, self._unswept = recover(connection, clock.now_ms(), changes=self._changes)
            ledger = read_ledger(connection)
            known = {row.key: row.value for row in connection.execute(select(meta))}
        self._actions = known.get(actions.META_KEY)
        stored = known.get(sharing.META_KEY)
        self._sharing = None if stored is None else opened("sharing", json.loads(stored), "sharing")
        self.core = Core(
            settings=CoreSettings(
                server_url="http://herder.world",
                installation=INSTALLATION,
                secret="not so secret",
                secret_keys=KEYS,
                **around.core_settings,
            ),
            state=state,
            ledger=ledger,
            store=self.store,
            directory=directory,
            drivers=around.drivers(),
            on_fatal=on_bug,
            clock=clock,
            calls=self.calls,
            transport=around.transport,
            sender=around.sender,
            open_intake=lambda _settings: around.queue.line(effects),
            clusters=around.clusters(),
            bootstraps=around.bootstraps(),
        )
        self.application: ASGIApp = application(self.core)
        self.endpoint = Endpoint(around.loop, host, self.application, effects)

    async def start(
        self, pools: tuple[PoolSpec, ...], shared: Mapping[str, Any], tokens: Mapping[str, str]
    ) -> None:
        """Write users, tokens, sharing and pools, then start the loops."""
        core, changes = self.core, self._changes
        now_ms = core.clock.now_ms()
        for user, token in tokens.items():
            if UserName(user) not in core.directory.users:
                role = ROLES.get(user, Role.USER)
                core.directory.add_user(changes, user, role, 1, now_ms)
                core.directory.add_token(changes, user, role, "", now_ms, token=token)
            assert hash_token(token) in core.directory.tokens
        if self._sharing is not None:
            sharing.take(core, sharing.wanted(core, self._sharing))
        wanted = sharing.wanted(core, shared)
        if wanted != core.sharing:
            sharing.put_in_force(core, changes, wanted)
        for each in pools:
            pool = keep_stored(core, each)
            if core.state.pools.get(pool.name) != pool:
                store_pool(core, changes, pool, now_ms)
        driver_actions.note_missing(core, changes, now_ms)
        actions.go_on(core, self._actions)
        await core.commit(changes)
        for batch in self._unswept:
            core.sweep(batch, now_ms)
        await deleting.go_on(core)
        for name, loop in LOOPS.items():
            self.around.loop.begin(self.host, supervise(core, name, loop))
