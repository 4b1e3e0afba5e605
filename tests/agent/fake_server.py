"""A server that speaks the worker protocol on loopback, with faults on demand, and checks what it is sent.

It keeps what it must (assignments until acked, ends by (job, attempt)) and counts what must never happen (`complaints`).
A fault is a callable asked before each exchange is handled: see `Fault`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

import msgspec

from herder.wire.api.secrets import SecretsAnswer
from herder.wire.worker.exchange import (
    ActivateAnswer,
    ActivateRequest,
    Assignment,
    ExchangeAnswer,
    ExchangeRequest,
    Finished,
    Refusal,
)

Key = tuple[int, int]


class Fault(Enum):
    NONE = auto()
    ERROR_500 = auto()  # not handled
    DROP_ANSWER = auto()  # handled, the connection is cut instead of an answer
    DROP_REQUEST = auto()  # not handled, the connection is cut
    DELAY = auto()  # handled late
    GARBAGE = auto()  # handled, the answer is no JSON
    ERROR_422 = auto()  # not handled
    ERROR_404 = auto()  # not handled
    REPEAT = auto()  # everything assigned before is assigned again


class FakeServer:
    def __init__(self, **limits: float) -> None:
        self.limits = {
            "poll_s": 1.0,
            "beat_s": 0.3,
            "self_delete_after_s": 20.0,
            "cpu_milli": 8000,
            "slots": 50,
        }
        self.limits |= {"memory_mib": 4096, "disk_mib": 4096, "gpu": 0} | limits
        self.queue: deque[Assignment] = deque()
        self.assigned: dict[Key, Assignment] = {}
        self.unacked: dict[int, list[Assignment]] = {}
        self.cancels: list[Key] = []
        self.finished: dict[Key, Finished] = {}
        self.logs: dict[Key, str] = {}
        self.started: dict[Key, int] = {}
        self.held: list[list[Key]] = []
        self.complaints: list[str] = []
        self.nonces: list[str] = []
        self.tokens_seen: list[str] = []
        self.fault: Callable[[ExchangeRequest], Fault] = lambda _: Fault.NONE
        self.activation_faults: list[int] = []
        self.refuse_items: Callable[[ExchangeRequest], list[Refusal]] = lambda _: []
        self.troubles: list[list[str]] = []
        self.conditions: list[dict[str, str]] = []
        self.clocks: list[int] = []
        self.cleaned: list[str] = []
        self.clean_up = False
        self.interrupted: list[int] = []
        """What was told of the time that is left."""
        self.deadline_ms: int | None = None
        self.inputs: dict[Key, bytes] = {}
        self.secrets: dict[Key, SecretsAnswer] = {}
        self.secret_faults: list[int] = []
        """Statuses of the next answers to those who ask for secrets."""
        self.secrets_asked = 0
        self.input_faults: list[int] = []
        """Answers to the next downloads: a status, 0 for a cut half-way, -1 for none at all."""
        self.data: Callable[[str, bytes], tuple[int, bytes]] = lambda _path, _body: (404, b"{}")
        """Answers what a worker asks about the data of a job."""
        self.refuse = False
        self.drain = False
        self.stop = False
        self.left = False
        self.exchanges = 0
        self.connections = 0
        self.parked_now = 0
        self.window = 10_000
        self._seen = 0
        self._answers = 0
        self._change = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FakeServer":
        await self.start(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- what tests do

    def assign(self, job: int, runtime: str = "process", attempt: int = 1, **fields: object) -> Key:
        """`fields`: resources and timeout of the assignment; the rest is the payload."""
        sizes = {name: fields.pop(name, 0) for name in ("memory_mib", "disk_mib", "gpu")}
        if "data" in fields:
            fields = {"data": fields.pop("data"), **fields}  # first, as the server encodes it
        assignment = Assignment(
            job=job,
            attempt=attempt,
            runtime=runtime,
            cpu_milli=fields.pop("cpu_milli", 100),
            timeout_ms=fields.pop("timeout_ms", None),
            cpu_hard=fields.pop("cpu_hard", False),
            fetch=fields.pop("fetch", False),
            secrets=fields.pop("secret", False),
            payload=msgspec.Raw(msgspec.json.encode(fields)),
            **sizes,
        )
        self.queue.append(assignment)
        self.nudge()
        return job, attempt

    def shell(self, job: int, script: str, **fields: object) -> Key:
        return self.assign(job, command=["/bin/sh", "-c", script], **fields)

    def cancel(self, key: Key) -> None:
        self.cancels.append(key)
        self.nudge()

    def nudge(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def end_of(self, key: Key, timeout_s: float = 10) -> Finished:
        await self.until(lambda: key in self.finished, timeout_s)
        return self.finished[key]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.005)

    # --- HTTP

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.connections += 1
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while await self._one_call(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _one_call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            return False
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        self.tokens_seen.append(fields.get("authorization", ""))
        path = head[0].split()[1]
        if path.endswith("/secrets"):
            return await self._secrets(path, writer)
        if path.endswith("/inputs"):
            return await self._inputs(path, writer)
        if path.endswith("/data"):
            status, answer = self.data(path, body)
        elif path.endswith("/activate"):
            status, answer = self._activate(body)
        else:
            status, answer = await self._exchange(body)
        if status == 0:
            return False
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n".encode()
            + answer
        )
        await writer.drain()
        return True

    async def _secrets(self, path: str, writer: asyncio.StreamWriter) -> bool:
        job, attempt = path.split("/")[-3:-1]
        fault = self.secret_faults.pop(0) if self.secret_faults else 200
        self.secrets_asked += 1
        found = self.secrets.get((int(job), int(attempt)))
        status, content = (fault, b"{}") if fault != 200 else (200, msgspec.json.encode(found))
        if found is None:
            status, content = 404, b'{"detail":"not held"}'
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        return True

    async def _inputs(self, path: str, writer: asyncio.StreamWriter) -> bool:
        job, attempt = path.split("/")[-3:-1]
        content = self.inputs.get((int(job), int(attempt)))
        fault = self.input_faults.pop(0) if self.input_faults else 200
        if fault == -1:
            await asyncio.sleep(3600)
        status = fault if fault >= 400 else 200
        if content is None:
            status, content = 404, b'{"detail":"not held"}'
        head = f"HTTP/1.1 {status} X\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        writer.write(head)
        for start in range(0, len(content), 100_000):
            piece = content[start : start + 100_000]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            if fault == 0:
                return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _activate(self, body: bytes) -> tuple[int, bytes]:
        self.nonces.append(msgspec.json.decode(body, type=ActivateRequest).nonce)
        if self.activation_faults:
            return self.activation_faults.pop(0), b'{"detail":"not now"}'
        return 200, msgspec.json.encode(ActivateAnswer(worker="w", token="worker-token", **self.limits))

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        request = msgspec.json.decode(body, type=ExchangeRequest)
        fault = self.fault(request)
        if fault is Fault.ERROR_500:
            return 500, b"oops"
        if fault in (Fault.ERROR_422, Fault.ERROR_404):
            return (422 if fault is Fault.ERROR_422 else 404), b'{"detail":"not this"}'
        if fault is Fault.DROP_REQUEST:
            return 0, b""
        if fault is Fault.DELAY:
            await asyncio.sleep(0.1)
        if self.refuse:
            return 401, b'{"detail":"unknown worker"}'
        answer = await self._handle(request, repeat=fault is Fault.REPEAT)
        if fault is Fault.DROP_ANSWER:
            return 0, b""
        return 200, b"}{" if fault is Fault.GARBAGE else msgspec.json.encode(answer)

    # --- the protocol

    async def _handle(self, request: ExchangeRequest, *, repeat: bool) -> ExchangeAnswer:
        self.exchanges += 1
        if request.number <= self._seen:
            if request.finished or request.logs:
                self.complaints.append(f"exchange {request.number} with results came after {self._seen}")
            return ExchangeAnswer(number=0)
        self._seen = request.number
        self.nudge()  # a parked call is superseded
        self.troubles.append(request.troubles)
        self.conditions.append(dict(request.conditions))
        if request.clock_ms is not None:
            self.clocks.append(request.clock_ms)
        if request.interrupted_ms is not None:
            self.interrupted.append(request.interrupted_ms)
        if request.cleaned:
            self.cleaned.append(request.cleaned)
            self.clean_up = False
        refused = self.refuse_items(request)
        for each in refused:
            del request.finished[each.index]
        self._take(request)
        if request.wait and not self._news():
            await self._hold(request.number)
        return self._answer(repeat, refused)

    def _take(self, request: ExchangeRequest) -> None:
        for number in [each for each in self.unacked if each <= request.ack]:
            del self.unacked[number]
        for chunk in request.logs:
            key = (chunk.job, chunk.attempt)
            have = self.logs.get(key, "")
            size = len(have.encode())
            if chunk.offset > size:
                self.complaints.append(f"gap in the output of {key}: {chunk.offset} after {size}")
            elif chunk.offset == size:
                self.logs[key] = have + chunk.text
            if key in self.finished and chunk.offset >= size:
                self.complaints.append(f"output of {key} after its end")
        for end in request.finished:
            self._end(end)
        self.started.update({(job, attempt): at for job, attempt, at in request.started})
        if request.held is not None:
            self.held.append([tuple(key) for key in request.held])
        self.left = self.left or request.leaving

    def _end(self, end: Finished) -> None:
        key = (end.job, end.attempt)
        if key not in self.assigned:
            self.complaints.append(f"end of {key}, which was never assigned")
        before = self.finished.setdefault(key, end)
        if before != end:
            self.complaints.append(f"two different ends of {key}: it was run twice")

    def _news(self) -> bool:
        return bool((self.queue and self._room()) or self.cancels or self.drain or self.stop)

    def _room(self) -> int:
        return self.window - (len(self.assigned) - len(self.finished))

    async def _hold(self, number: int) -> None:
        self.parked_now += 1
        if self.parked_now > 1:
            await asyncio.sleep(0)
            if self.parked_now > 1:
                self.complaints.append("two parked calls at a time")
        try:
            async with asyncio.timeout(self.limits["poll_s"]):
                while self._seen == number and not self._news():
                    await self._change.wait()
        except TimeoutError:
            pass
        finally:
            self.parked_now -= 1

    def _answer(self, repeat: bool, refused: list[Refusal]) -> ExchangeAnswer:
        again = [each for group in self.unacked.values() for each in group]
        if repeat:
            again = list(self.assigned.values())
        fresh = [self.queue.popleft() for _ in range(min(len(self.queue), max(0, self._room())))]
        for each in fresh:
            self.assigned[each.job, each.attempt] = each
        number = 0
        if fresh or again:
            self._answers = number = self._answers + 1
        if fresh:
            self.unacked[number] = fresh
        cancel, self.cancels = self.cancels, []
        return ExchangeAnswer(
            number=number,
            assign=again + fresh,
            cancel=cancel,
            drain=self.drain,
            stop=self.stop,
            clean_up=self.clean_up,
            deadline_ms=self.deadline_ms,
            refused=refused,
        )
