"""An event loop whose clock jumps to the next timer when nothing is left to do, and whose tasks belong to hosts.

A host is a process of the simulated world: a server's life, an agent. It can be stopped and continued (as SIGSTOP does: its timers
and answers wait), or killed (as SIGKILL does: nothing of it ever runs again, not even `finally`).
"""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

#: Whose code is running. Tasks and timers inherit it.
HOST: contextvars.ContextVar[str] = contextvars.ContextVar("host", default="")
#: How long the end of a world waits for its tasks.
FAREWELL_S = 600.0


class Deadlock(Exception):
    """Nothing is left that could ever happen, and somebody still waits."""


class _Jumps(selectors.SelectSelector):
    """Never waits: the time that it was to wait for has passed."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("everybody waits, and nothing will happen")
        if timeout > 0:
            self.loop.now_s += timeout
        return []


@dataclass(slots=True)
class _Turn:
    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: contextvars.Context
    handle: asyncio.Handle | None = None


@dataclass(slots=True)
class _Host:
    dead: bool = False
    stopped: bool = False
    waiting: list[_Turn] = field(default_factory=list)
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now_s = 0.0
        self._hosts: dict[str, _Host] = {}
        jumps = _Jumps()
        jumps.loop = self
        super().__init__(jumps)
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        return self.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        host = context.get(HOST, "")
        if not host:
            return super().call_soon(callback, *args, context=context)
        turn = _Turn(callback, args, context)
        turn.handle = super().call_soon(self._take_turn, host, turn, context=context)
        return turn.handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        host = context.get(HOST, "")
        if not host:
            return super().call_at(when, callback, *args, context=context)
        turn = _Turn(callback, args, context)
        turn.handle = timer = super().call_at(when, self._take_turn, host, turn, context=context)
        return timer

    def run_in_executor(self, *_: Any) -> Any:
        raise AssertionError("a thread was asked for: something goes past the ports")

    # --- hosts

    def begin(self, host: str, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task of that host."""
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        return self.create_task(coroutine, context=context)

    def stop_host(self, host: str) -> None:
        self._host(host).stopped = True

    def wake_host(self, host: str) -> None:
        one = self._host(host)
        one.stopped = False
        waiting, one.waiting = one.waiting, []
        for turn in waiting:
            super().call_soon(self._take_turn, host, turn, context=turn.context)

    def kill_host(self, host: str) -> None:
        self._host(host).dead = True

    def alive(self, host: str) -> bool:
        one = self._hosts.get(host)
        return one is not None and not one.dead

    def clear_away(self) -> None:
        """After everything was looked at: end what still runs or was killed, so that nothing is left for the collector."""
        tasks = [task for one in self._hosts.values() for task in one.tasks if not task.done()]
        for task in tasks:
            task.cancel()
        for host, one in self._hosts.items():
            one.dead = False
            # What waited for it while it was dead comes now: else no cancelled task would end.
            self.wake_host(host)
        if tasks:
            self.run_until_complete(asyncio.wait(tasks, timeout=FAREWELL_S))
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.close()

    def _host(self, name: str) -> _Host:
        found = self._hosts.get(name)
        if found is None:
            found = self._hosts[name] = _Host()
        return found

    def _take_turn(self, host: str, turn: _Turn) -> None:
        one = self._host(host)
        if turn.handle is not None and turn.handle.cancelled():
            return  # while it waited for its host
        if one.stopped or one.dead:
            one.waiting.append(turn)
        else:
            turn.callback(*turn.args)

    def _make_task(
        self, _loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context | None = None
    ) -> "asyncio.Task[Any]":
        host = HOST.get() if context is None else context.get(HOST, "")
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, context=context)
        if host:
            tasks = self._host(
                host
            ).tasks  # held here: the tasks of the killed must not be collected in the middle of a run
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task
