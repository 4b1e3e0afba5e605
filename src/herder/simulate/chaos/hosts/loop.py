"""An event loop whose clock jumps to the next timer when nothing is left to do, and whose tasks belong to hosts.

A host is a simulated process: one run of a server, or an agent. It can be stopped and continued (like SIGSTOP: its timers and answers
wait), or killed (like SIGKILL: it never runs again). The coroutines of a killed host are closed at a fixed moment, in the order in which
they began, and what they still ask of the loop is dropped. Otherwise the garbage collector would close them at any time, and two runs
would differ.
"""

import asyncio
import contextvars
import heapq
import logging
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

#: The host whose code runs. Tasks and timers inherit it.
HOST: contextvars.ContextVar[str] = contextvars.ContextVar("host", default="")
#: How long `clear_away` waits for tasks of no host, in virtual time.
CLEAR_AWAY_S = 600.0
#: How often closing a coroutine is tried.
CLOSES_MOST = 20


class Deadlock(Exception):
    """All tasks wait and no timer is set, so nothing can happen any more."""


class _Jumps(selectors.SelectSelector):
    """Instead of waiting, advances the virtual time."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("all tasks wait and no timer is set")
        if timeout > 0:
            self.loop.now_s += timeout
        return []


@dataclass(slots=True)
class _Host:
    dead: bool = False
    stopped: bool = False
    waiting: "list[_Turn | _Timer]" = field(default_factory=list)
    tasks: dict["asyncio.Task[Any]", None] = field(default_factory=dict)
    """In the order in which they began."""


class _OfHost:
    """A callback of a host: it waits while the host is stopped, and never runs when it is dead."""

    __slots__ = ()
    host: _Host

    def _run(self) -> None:
        host = self.host
        if host.stopped and not host.dead:
            host.waiting.append(self)  # type: ignore[arg-type]
        elif not host.dead:
            super()._run()  # type: ignore[misc]


class _Turn(_OfHost, asyncio.Handle):
    __slots__ = ("host",)


class _Timer(_OfHost, asyncio.TimerHandle):
    """The same at a time."""

    __slots__ = ("host",)


class VirtualLoop(asyncio.SelectorEventLoop):
    _ready: "deque[asyncio.Handle]"
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self.now_s = 0.0
        self._hosts: dict[str, _Host] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """Tasks of no host."""
        jumps = _Jumps()
        jumps.loop = self
        super().__init__(jumps)
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context
        host = context.get(HOST, "")
        if not host:
            return super().call_soon(callback, *args, context=context)
        turn = _Turn(callback, args, self, context)
        turn.host = self._host(host)
        self._ready.append(turn)
        return turn

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context
        host = context.get(HOST, "")
        if not host:
            return super().call_at(when, callback, *args, context=context)
        timer = _Timer(when, callback, args, self, context)
        timer.host = self._host(host)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Pure work in an executor (the planner's) is answered after `PURE_S`. The default executor is refused."""
        if executor is None:
            raise AssertionError("a thread was requested: only ports may have threads")
        answer: asyncio.Future[Any] = self.create_future()
        result = func(*args)
        self.call_later(PURE_S, _answer, answer, result)
        return answer

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        """A generator that nobody reads any more is dropped: closing it takes a task, at a time that the garbage collector chooses."""

    # --- hosts

    def begin(self, host: str, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a task of this host."""
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        return self.create_task(coroutine, context=context)

    def stop_host(self, host: str) -> None:
        self._host(host).stopped = True

    def wake_host(self, host: str) -> None:
        one = self._host(host)
        one.stopped = False
        waiting, one.waiting = one.waiting, []
        self._ready.extend(waiting)

    def wake_all(self) -> None:
        for host in [name for name, one in self._hosts.items() if one.stopped and not one.dead]:
            self.wake_host(host)

    def kill_host(self, host: str) -> None:
        """It never runs again. If it is running now, the rest of this turn has no effect outside of it."""
        one = self._host(host)
        if not one.dead:
            one.dead = True
            one.waiting.clear()
            super().call_soon(self._close_host, host, context=contextvars.Context())

    def alive(self, host: str) -> bool:
        one = self._hosts.get(host)
        return one is not None and not one.dead

    def running(self, host: str) -> bool:
        """Alive and not stopped."""
        one = self._hosts.get(host)
        return one is not None and not one.dead and not one.stopped

    def clear_away(self) -> None:
        """At the end: kill all hosts and cancel all tasks, so that nothing is left for the garbage collector."""
        for host in self._hosts:
            self.kill_host(host)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        self.run_until_complete(asyncio.sleep(0))
        if rest:
            self.run_until_complete(asyncio.wait(rest, timeout=CLEAR_AWAY_S))
        self.close()

    def _host(self, name: str) -> _Host:
        found = self._hosts.get(name)
        if found is None:
            found = self._hosts[name] = _Host()
        return found

    def _close_host(self, host: str) -> None:
        """Close the coroutines of a killed host. Their `finally` blocks run here and can change only their own memory."""
        one = self._hosts[host]
        tasks, one.tasks = one.tasks, {}
        context = contextvars.Context()
        context.run(HOST.set, host)
        logging.disable()  # a killed process logs nothing
        try:
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                context.run(_close, task.get_coro())
        finally:
            logging.disable(logging.NOTSET)

    def _make_task(
        self, _loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context | None = None
    ) -> "asyncio.Task[Any]":
        host = HOST.get() if context is None else context.get(HOST, "")
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, context=context)
        tasks = self._host(host).tasks if host else self._tasks
        if host and self._host(host).dead:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(coroutine)  # begun while its host is being closed
            return task
        tasks[task] = None
        task.add_done_callback(partial(_forget, tasks))
        return task


#: Virtual time that a plan takes in its executor.
PURE_S = 0.2


def _answer(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _forget(tasks: "dict[asyncio.Task[Any], None]", task: "asyncio.Task[Any]") -> None:
    tasks.pop(task, None)


def _close(coroutine: Any) -> None:
    for _ in range(CLOSES_MOST):
        try:
            coroutine.close()
        except (RuntimeError, ValueError):
            continue  # it awaited something while it was closed
        except BaseException:  # noqa: BLE001 - errors of a killed process, cancellations included, reach no caller
            return
        else:
            return
