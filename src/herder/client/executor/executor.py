"""`Executor`: `submit`, `map` and `shutdown` as in `concurrent.futures`; each call is a job, or a part of one with `chunksize`.

Used by people's own programs. It never runs a call in this process.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as BaseExecutor
from concurrent.futures import Future
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import msgspec

from herder.client.client import HerderClient
from herder.client.connection import connect
from herder.client.executor import calls
from herder.client.executor.receiving import Receiver
from herder.client.executor.sending import Sender, Sent
from herder.client.http.clock import monotonic_s
from herder.wire.api.work import BatchCreate, JobSubmission
from herder.wire.worker.exchange import WarmPython

P = ParamSpec("P")
T = TypeVar("T")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_MAP_CHUNKS_AHEAD = 10_000
"""Chunks of one `map` that are submitted before the first is read."""


class JobFuture(Future[T]):
    """A future whose `cancel` also stops a call that runs. `job`: its number, 0 until the server has it."""

    def __init__(self, stop: Callable[[int], None]) -> None:
        super().__init__()
        self._stop = stop
        self._sent: Sent | None = None
        self._noticed = threading.Lock()

    @property
    def job(self) -> int:
        return self._sent.job if self._sent is not None else 0

    def cancel(self) -> bool:
        """True unless the call has ended. The job is cancelled too, whether it runs or not."""
        if not super().cancel():
            return False
        if self._noticed.acquire(blocking=False):  # never given back: once
            self.set_running_or_notify_cancel()
            if self.job:
                self._stop(self.job)
        return True


class Executor(BaseExecutor):
    """Runs Python calls as jobs of a Herder server.

    >>> from herder import Executor
    >>> with Executor(cpu=1, memory="512Mi") as executor:  # doctest: +SKIP
    ...     print(list(executor.map(pow, [2, 3], [10, 10])))
    [1024, 59049]

    `cpu` in cores ("500m", 2), `memory` and `disk` with a unit, `gpu` whole or a share; `timeout_s` of each call's run, `retries` after a
    failure. `pool`, `project`, `env`, `selector` as in `herder job submit`; any other field of the API's JobSubmission may be named too.
    `python`: the program that runs the calls, of the same version as this one (default: this one's path on a local server, which is
    `sys.executable`). `warm`: each call runs in a fork of an interpreter that its worker keeps for the user; without it each one starts
    its own. `preload`: modules that this interpreter imports before it forks. `client`: makes a connection; the default finds the server as the command line does.

    Functions of `__main__` and lambdas travel by value; those of modules by name, so the worker must have the module, unless
    `cloudpickle.register_pickle_by_value` was called with it. A pickled call has at most 250,000 characters, a pickled result 1,000,000.
    """

    def __init__(
        self,
        *,
        cpu: str | float = 1,
        memory: str | int = "512Mi",
        disk: str | int = 0,
        gpu: float = 0,
        pool: str = "auto",
        project: str = "default",
        timeout_s: float | None = None,
        retries: int = 0,
        env: Mapping[str, str] = _NOTHING,
        selector: Mapping[str, str] = _NOTHING,
        name: str = "executor",
        python: str = "",
        warm: bool = True,
        preload: Sequence[str] = (),
        client: Callable[[], HerderClient] = connect,
        **fields: Any,
    ) -> None:
        calls.cloudpickle()
        self._job = JobSubmission(
            command=[python or sys.executable, calls.PROGRAM],
            cpu=cpu,
            memory=memory,
            disk=disk,
            gpu=gpu,
            pool=pool,
            project=project,
            timeout_s=timeout_s,
            retries=retries,
            env=dict(env),
            selector=dict(selector),
            warm_python=WarmPython(preload=[*calls.MODULES, *preload]) if warm else None,
            **fields,
        )
        self._receiver = Receiver(client)
        self._sender = Sender(
            client, BatchCreate(name=name, project=project), self._receiver.add, self._receiver.finish
        )
        self._open: set[JobFuture[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False
        with client() as first:
            first.who_am_i()  # a missing server or token is an error here and not of the first call

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobFuture[T]:
        """One call as one job. Raises ValueError when the call is too large, and what pickling raises."""
        future: JobFuture[T] = JobFuture(self._sender.cancel)
        self._send(future, calls.pickled(fn, [(args, kwargs)]), single=True)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """As the built-in `map`, in parallel; `chunksize` calls are one job. `timeout`: seconds from now for all values."""
        if chunksize < 1:
            raise ValueError(f"chunksize is {chunksize}, but must be at least 1.")
        until = None if timeout is None else monotonic_s() + timeout
        rows = zip(*iterables, strict=False)
        chunks: Iterator[list[calls.Row]] = iter(lambda: [(row, {}) for row in islice(rows, chunksize)], [])
        submit = partial(self._chunk, fn)
        ahead = [submit(chunk) for chunk in islice(chunks, _MAP_CHUNKS_AHEAD)]
        return _values(ahead, (submit(chunk) for chunk in chunks), until)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls. `wait`: returns when all have ended; without it, what was submitted goes on."""
        with self._lock:
            self._closed = True
            still = list(self._open)
        if cancel_futures:
            for each in still:
                each.cancel()
        self._sender.close(wait=wait)
        if wait:
            self._receiver.close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        """After Ctrl-C nothing is waited for: the jobs are cancelled."""
        self.shutdown(wait=True, cancel_futures=kind is not None and issubclass(kind, KeyboardInterrupt))
        return None

    # --- inside

    def _chunk(self, fn: Callable[..., T], rows: list[calls.Row]) -> "JobFuture[list[T]]":
        future: JobFuture[list[T]] = JobFuture(self._sender.cancel)
        self._send(future, calls.pickled(fn, rows), single=False)
        return future

    def _send(self, future: JobFuture[Any], call: str, *, single: bool) -> None:
        job = msgspec.structs.replace(self._job, inputs={calls.PROGRAM: calls.program(), calls.FILE: call})
        future._sent = sent = Sent(future, job, single)
        future.add_done_callback(self._forget)
        with (
            self._lock
        ):  # also while it is sent: a call behind the end of the sender would never be submitted
            if self._closed:
                raise RuntimeError("The executor was shut down, so it takes no more calls.")
            self._open.add(future)
            self._sender.send(sent)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)


def _values(
    ahead: list[JobFuture[list[T]]], later: Iterator[JobFuture[list[T]]], until: float | None
) -> Iterator[T]:
    """In order. Each chunk that is read submits another one. Chunks that are not read are cancelled at the end."""
    waiting = deque(ahead)
    try:
        while waiting:
            left = None if until is None else max(0.0, until - monotonic_s())
            values = waiting[0].result(left)
            waiting.popleft()
            waiting.extend(islice(later, 1))
            yield from values
    finally:
        for each in waiting:
            each.cancel()
