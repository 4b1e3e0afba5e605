"""A client of the Docker Engine API over a socket or TCP: the few calls that attempts need. Made by the container runtime, on its event loop.

An engine that does not answer is `EngineDown`; a refusal is `EngineRefused` with the engine's own words. Each call has a time limit except
`wait` and `attach`, which end with their container or with the connection, and `pull`, which `Images` limits.
"""

import json
import os
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from herder.model.values.phrases import clause

ANSWER_S = 30.0
"""Of one call. Creating and removing a container with a large image take seconds on a busy disk."""
CONNECT_S = 5.0
API_MOST = (1, 44)
API_LEAST = (1, 40)
ANSWER_BYTES_MAX = 4 * 2**20
"""Of one answer that is read whole; lists of containers are asked by label."""
_SOCKETS = ("/run/podman/podman.sock", "/var/run/docker.sock")
_FRAME = struct.Struct(">BxxxI")


class EngineDown(Exception):
    """The engine does not answer; it is unknown whether the call was carried out."""


class EngineRefused(Exception):
    """The engine answered that it cannot or will not."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Container(msgspec.Struct, kw_only=True, rename="pascal"):
    """As a list shows one."""

    id: str
    labels: dict[str, str] = {}


class State(msgspec.Struct, kw_only=True, rename="pascal"):
    """What has become of a container."""

    running: bool = False
    exit_code: int = 0
    oom_killed: bool = msgspec.field(default=False, name="OOMKilled")
    error: str = ""
    pid: int = 0


def address_of(environ: Mapping[str, str]) -> str:
    """Where the engine is: CONTAINER_HOST or DOCKER_HOST, else the first socket that is there; empty: none."""
    for name in ("CONTAINER_HOST", "DOCKER_HOST"):
        if environ.get(name):
            return environ[name]
    own = [f"{environ['XDG_RUNTIME_DIR']}/podman/podman.sock"] if environ.get("XDG_RUNTIME_DIR") else []
    return next((f"unix://{path}" for path in (*own, *_SOCKETS) if Path(path).exists()), "")


class Engine:
    def __init__(self, address: str) -> None:
        """Raises ValueError for an address that is neither unix:// nor tcp:// nor http(s)://."""
        self.address = address
        scheme, _, rest = address.partition("://")
        if scheme == "unix" and rest:
            transport: httpx.AsyncBaseTransport | None = httpx.AsyncHTTPTransport(uds=rest)
            base = "http://engine"
        elif scheme in ("tcp", "http", "https") and rest:
            transport, base = None, f"{'http' if scheme == 'tcp' else scheme}://{rest}"
        else:
            raise ValueError(
                f"{address[:100]!r} is not the address of a container engine. Use unix:///path/of.sock or tcp://host:port."
            )
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=base,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
        )
        self._version = ""

    async def close(self) -> None:
        await self._http.aclose()

    async def ping(self) -> None:
        await self._call("GET", "/_ping", versioned=False)

    async def image_there(self, image: str) -> bool:
        try:
            await self._call("GET", f"/images/{image}/json")
        except EngineRefused as error:
            if error.status == 404:
                return False
            raise
        return True

    async def pull(self, image: str, credentials: str) -> AsyncIterator[str]:
        """Yields what the engine says of its progress. `credentials`: the header X-Registry-Auth, empty for none."""
        name, _, tag = image.rpartition(":") if _has_tag(image) else (image, "", "latest")
        query = {"fromImage": image if "@" in image else name, "tag": "" if "@" in image else tag}
        headers = {"X-Registry-Auth": credentials} if credentials else {}
        path = f"{await self._prefix()}/images/create"
        try:
            # An engine prints nothing while it waits for a registry or unpacks a layer; `Images` bounds the whole pull.
            patient = httpx.Timeout(None, connect=CONNECT_S)
            async with self._http.stream(
                "POST", path, params=query, headers=headers, timeout=patient
            ) as answer:
                await self._check(answer)
                async for line in answer.aiter_lines():
                    told = _told(line)
                    if "error" in told:
                        raise EngineRefused(clause(str(told["error"])), 500)
                    yield str(told.get("status", ""))
        except httpx.HTTPError as error:
            raise self._down(error) from None

    async def create(self, name: str, body: Mapping[str, Any]) -> str:
        """The id of a container that has not started."""
        made = await self._call("POST", "/containers/create", query={"name": name}, body=body)
        return str(json.loads(made)["Id"])

    async def start(self, container: str) -> None:
        await self._call("POST", f"/containers/{container}/start")

    async def attach(self, container: str) -> AsyncIterator[bytes | None]:
        """None when the engine is ready, then what the container prints, both outputs in their order, until it ends."""
        path = f"{await self._prefix()}/containers/{container}/attach"
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        endless = httpx.Timeout(None, connect=CONNECT_S)
        try:
            async with self._http.stream("POST", path, params=query, timeout=endless) as answer:
                await self._check(answer)
                yield None
                left = b""
                size = 0
                async for piece in answer.aiter_raw():
                    left += piece
                    while left:
                        if size == 0:
                            if len(left) < _FRAME.size:
                                break
                            _, size = _FRAME.unpack_from(left)
                            left = left[_FRAME.size :]
                        part, left = left[:size], left[size:]
                        size -= len(part)
                        if part:
                            yield part
        except httpx.HTTPError as error:
            raise self._down(error) from None

    async def wait(self, container: str) -> None:
        """Until it has ended."""
        path = f"{await self._prefix()}/containers/{container}/wait"
        try:
            answer = await self._http.post(path, timeout=httpx.Timeout(None, connect=CONNECT_S))
        except httpx.HTTPError as error:
            raise self._down(error) from None
        await self._check(answer)

    async def state(self, container: str) -> State:
        found = await self._call("GET", f"/containers/{container}/json")
        try:
            return msgspec.json.decode(found, type=_Inspected).State
        except msgspec.MsgspecError as error:
            raise EngineDown(self._nonsense(error)) from None

    async def kill(self, container: str, signal: str) -> None:
        """Nothing when it has ended already."""
        try:
            await self._call("POST", f"/containers/{container}/kill", query={"signal": signal})
        except EngineRefused as error:
            if error.status not in (404, 409, 500):  # Podman answers 500 for one that has ended
                raise

    async def remove(self, container: str) -> None:
        try:
            await self._call("DELETE", f"/containers/{container}", query={"force": "1", "v": "1"})
        except EngineRefused as error:
            if error.status not in (404, 409):  # it is being removed already
                raise

    async def labelled(self, label: str) -> list[Container]:
        """Containers with this label (`name=value`), also those that have ended."""
        query = {"all": "1", "filters": json.dumps({"label": [label]})}
        found = await self._call("GET", "/containers/json", query=query)
        try:
            return msgspec.json.decode(found, type=list[Container])
        except msgspec.MsgspecError as error:
            raise EngineDown(self._nonsense(error)) from None

    # --- inside

    async def _prefix(self) -> str:
        """The version that both sides know, asked once."""
        if not self._version:
            found = await self._call("GET", "/version", versioned=False)
            try:
                text = json.loads(found)["ApiVersion"]
                most = tuple(int(each) for each in text.split("."))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise EngineDown(self._nonsense(error)) from None
            if most < API_LEAST:
                raise EngineDown(
                    f"The container engine at {self.address} speaks version {text} of its API, but 1.40 or newer is needed"
                )
            self._version = f"/v{'.'.join(map(str, min(most, API_MOST)))}"
        return self._version

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        versioned: bool = True,
    ) -> bytes:
        prefix = await self._prefix() if versioned else ""
        try:
            async with self._http.stream(method, prefix + path, params=query, json=body) as answer:
                await self._check(answer)
                return await self._read(answer)
        except httpx.HTTPError as error:
            raise self._down(error) from None

    async def _read(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        async for piece in answer.aiter_bytes():
            data += piece
            if len(data) > ANSWER_BYTES_MAX:
                raise EngineDown(
                    f"The container engine at {self.address} answers with more than {ANSWER_BYTES_MAX:,} bytes"
                )
        return bytes(data)

    async def _check(self, answer: httpx.Response) -> None:
        if answer.status_code < 300:
            return
        data = answer.content if answer.is_closed else await self._read(answer)
        said = _told(data.decode(errors="replace")).get("message")
        text = clause(str(said)) if said else f"HTTP status {answer.status_code}"
        raise EngineRefused(text[:500], answer.status_code)

    def _down(self, error: Exception) -> EngineDown:
        detail = clause(str(error) or type(error).__name__)
        return EngineDown(f"The container engine at {self.address} does not answer: {detail}")

    def _nonsense(self, error: Exception) -> str:
        return f"The container engine at {self.address} answers with something else than its API: {clause(error)}"


class _Inspected(msgspec.Struct, kw_only=True):
    State: State


def _has_tag(image: str) -> bool:
    """A colon behind the last slash; before it, it is a port."""
    return ":" in image.rpartition("/")[2] and "@" not in image


def _told(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def own_process() -> str:
    """Names this process on this machine: a number may be used again, its start time with it is not."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        return f"{os.getpid()}-{file.read().rpartition(')')[2].split()[19]}"


def process_lives(name: str) -> bool:
    """Whether the process that `own_process` named still runs."""
    pid, _, started = name.partition("-")
    try:
        with open(f"/proc/{int(pid)}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19] == started
    except (OSError, ValueError, IndexError):
        return False
