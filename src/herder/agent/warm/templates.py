"""The warm interpreters of one agent: one for each user, program, environment and list of modules, started when the first attempt asks.

Owned by the process runtime. They are bounded in number (the least recently used ends first) and end when they were idle for long. One
that cannot be started or used costs nothing but its advantage: attempts get None, and start a Python of their own.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from herder.agent.environment.settings import AgentSettings
from herder.agent.processes.cgroup import Cgroup, Limits
from herder.agent.processes.run_as import Identity
from herder.agent.warm.template import Child, Key, Taker, Template
from herder.wire.worker.exchange import JobPayload

_LOG = logging.getLogger(__name__)
_REAP_S = 0.05
_REAP_TRIES = 100
#: Of an interpreter with what it imports and what that starts, where there are cgroups.
LIMITS = Limits(cpu_milli=1000, memory_mib=4096)


class Bounds(NamedTuple):
    """How interpreters are bounded, and what they leave behind is found."""

    take: Callable[[Limits], Cgroup | None]
    give_back: Callable[[Cgroup], None]
    sweep: Callable[[], bool]


class Templates:
    def __init__(
        self,
        settings: AgentSettings,
        environment: Mapping[str, str],
        marks: Mapping[str, str],
        identity: Identity | None,
        bounds: Bounds,
    ) -> None:
        """`environment`: what each attempt finds, without what is its own. `marks`: by these the watch knows what is of this agent."""
        self._settings = settings
        self._environment = environment
        self._marks = marks
        self._identity = identity
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._live: dict[Key, Template] = {}
        """The least recently used one first."""
        self._refused_until: dict[Key, float] = {}
        self._alone: set[Key] = set()
        """Whose modules start threads: their interpreters import nothing ahead."""
        self._dying: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reaper: asyncio.TimerHandle | None = None

    def key_of(self, payload: JobPayload) -> Key | None:
        """None: it needs a Python of its own."""
        warm, command = payload.warm_python, payload.command
        if warm is None or not self._settings.warm_python or len(command) < 2 or command[1].startswith("-"):
            return None
        if "/" in command[0] and not os.path.isabs(command[0]):
            return None  # a program of the job's own folder
        paths = payload.env.get("PYTHONPATH", "").split(os.pathsep)
        if not all(path == "" or os.path.isabs(path) for path in paths):
            return None
        return Key(payload.user, command[0], tuple(warm.preload), tuple(sorted(payload.env.items())))

    def spare(self, key: Key) -> Child | None:
        """A child that waits already; it is to be told at once what to run."""
        found = self._live.get(key)
        if found is None:
            return None
        self._live[key] = self._live.pop(key)
        return found.spare()

    def wait(self, key: Key, taker: Taker) -> None:
        """`taker` is called once, never before this has returned."""
        found = self._live.get(key) or self._start(key)
        if found is None:
            self._loop.call_soon(taker, None)
        else:
            self._live[key] = self._live.pop(key)
            found.wait(taker)

    def keeps(self, name: str, pid: int) -> bool:
        """Whether this process is a live interpreter with this name, or a fork of it that waits; else it is a stray."""
        return any(each.name == name and each.keeps(pid) for each in self._live.values())

    async def close(self) -> None:
        for each in list(self._live.values()):
            self._drop(each)
        for timer in (self._timer, self._reaper):
            if timer is not None:
                timer.cancel()
        for _ in range(_REAP_TRIES):
            self._reap_now()
            if not self._dying:
                return
            await asyncio.sleep(_REAP_S)

    # --- inside

    def _start(self, key: Key) -> Template | None:
        if self._loop.time() < self._refused_until.get(key, 0.0):
            return None
        while len(self._live) >= self._settings.warm_most:
            self._drop(next(iter(self._live.values())))
        environment = {**self._environment, **dict(key.environment)}
        if self._identity is not None:
            environment |= {"HOME": "/", "USER": self._identity.name}
        environment |= self._marks
        preload = () if key in self._alone else key.preload
        cgroup = self._bounds.take(LIMITS)
        try:
            made = Template(
                key, environment, self._identity, ended=self._ended, preload=preload, cgroup=cgroup
            )
        except (OSError, ValueError) as error:
            if cgroup is not None:
                self._bounds.give_back(cgroup)
            self._refuse(key, f"it could not be started: {error}")
            return None
        self._live[key] = made
        self._look_later()
        return made

    def _ended(self, template: Template, why: str) -> None:
        if self._live.get(template.key) is not template:
            return
        waiting = list(template.waiting)
        template.waiting.clear()
        was_ready = template.ready
        self._drop(template)
        if why == "threads" and template.preload:
            _LOG.info(
                "What a warm interpreter (%s) imports starts threads, so it imports nothing ahead.",
                template.key.program,
            )
            self._alone.add(template.key)
        elif not was_ready:
            self._refuse(template.key, why)
        else:
            _LOG.warning("A warm interpreter (%s) ended and is started again: %s.", template.key.program, why)
        for taker in waiting:
            self.wait(template.key, taker)

    def _refuse(self, key: Key, why: str) -> None:
        """For a while, so that a program that cannot be one is not started for each attempt."""
        _LOG.warning(
            "There is no warm interpreter of %s (%s); its jobs start one of their own.", key.program, why
        )
        now = self._loop.time()
        self._refused_until = {each: until for each, until in self._refused_until.items() if until > now}
        self._refused_until[key] = now + self._settings.warm_idle_s

    def _drop(self, template: Template) -> None:
        self._live.pop(template.key, None)
        for taker in template.waiting:
            self._loop.call_soon(taker, None)
        template.waiting.clear()
        self._dying.update(template.drop())
        if template.cgroup is not None:
            self._bounds.give_back(template.cgroup)
        if self._reaper is None:
            self._reaper = self._loop.call_later(_REAP_S, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        waits = bool(self._dying)
        self._reap_now()
        with suppress(OSError):  # a machine out of descriptors; the watch sweeps, too
            self._bounds.sweep()
        if waits:  # once more when they have ended: what they left is an orphan only then
            self._reaper = self._loop.call_later(_REAP_S, self._reap)

    def _reap_now(self) -> None:
        for pid in list(self._dying):
            try:
                ended = os.waitpid(pid, os.WNOHANG)[0]
            except ChildProcessError:  # the watch was first
                ended = pid
            if ended:
                self._dying.discard(pid)

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._settings.warm_idle_s / 4, self._look)

    def _look(self) -> None:
        self._timer = None
        before = self._loop.time() - self._settings.warm_idle_s
        for each in list(self._live.values()):
            if each.used_at <= before and each.is_idle():
                self._drop(each)
        with suppress(KeyError):
            while len(self._alone) > self._settings.warm_most * 8:
                self._alone.pop()
        if self._live:
            self._look_later()
