"""Who Herder is to a Kubernetes API, and how it knows the API: an `Access` with the address, TLS and a source of tokens.

Tokens are read again while the server runs: a service account's file is renewed every hour, a plugin's answer has an end. A plugin is the
command of a kubeconfig, run without a shell, with a time-out and a bounded answer. No secret is ever in an error's text.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from herder.model.values.phrases import clause
from herder.ports.clock import Clock
from herder.ports.cluster import ClusterForbidden, ClusterUnavailable
from herder.remote.kubernetes.objects import moment_ms

#: A file is read again after this time; the kubelet renews a service account's token long before its end.
FILE_AGE_MS = 60_000
PLUGIN_TIMEOUT_S = 30.0
#: A plugin's token is asked for again this long before its end.
PLUGIN_MARGIN_MS = 60_000
ANSWER_BYTES_MAX = 64 * 1024


class CredentialsMissing(ClusterForbidden):
    """There are no usable credentials on this machine: a person must act."""


class Tokens(Protocol):
    async def token(self) -> str | None:
        """What the next call is made with. Raises ClusterErrors."""

    def refused(self) -> bool:
        """The API has refused it. Whether another try may have another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    url: str
    tokens: Tokens
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None: plain HTTP."""
    server_name: str = ""
    """In its certificate, where it is not the one of the URL."""
    proxy: str = ""
    unverified: bool = False
    """Whoever answers at the URL is believed: only by an explicit setting."""


def bearer(raw: str, where: str) -> str:
    """A token as it may go into a header. Raises CredentialsMissing."""
    token = raw.strip()
    if not token:
        raise CredentialsMissing(f"The token in {where} is empty. Write the token there.")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise CredentialsMissing(
            f"The token in {where} has characters that no token has. Write only the token there."
        )
    return token


class GivenToken:
    """One that stays the same, or none at all."""

    def __init__(self, value: str | None = None) -> None:
        self.value = value

    async def token(self) -> str | None:
        return self.value

    def refused(self) -> bool:
        return False


class TokenFile:
    """A file that is written again from time to time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._token: str | None = None
        self._read_at_ms = 0

    async def token(self) -> str | None:
        now_ms = self._clock.monotonic_ms()
        if self._token is None or now_ms - self._read_at_ms >= FILE_AGE_MS:
            self._token, self._read_at_ms = self._read(), now_ms
        return self._token

    def refused(self) -> bool:
        """Another try helps when the file has changed since."""
        before, self._token = self._token, None
        try:
            return self._read() != before
        except ClusterForbidden:
            return False

    def _read(self) -> str:
        return bearer(read_text(self._path, "token file"), str(self._path))


class _Token(msgspec.Struct, rename="camel"):
    token: str = ""
    expiration_timestamp: str = ""
    client_certificate_data: str = ""


class _Credential(msgspec.Struct):
    status: _Token | None = None


class Plugin:
    """The command of a kubeconfig's `exec`."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], version: str, clock: Clock
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._version = version
        self._clock = clock
        self._token: str | None = None
        self._until_ms: int | None = None
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str | None:
        async with self._one_at_a_time:
            if self._token is None or (
                self._until_ms is not None and self._clock.now_ms() >= self._until_ms - PLUGIN_MARGIN_MS
            ):
                self._token, self._until_ms = self._read(await self._run())
            return self._token

    def refused(self) -> bool:
        had, self._token = self._token is not None, None
        return had

    async def _run(self) -> bytes:
        info = {
            "apiVersion": self._version,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        environment = {
            **os.environ,
            **self._environment,
            "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode(),
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise CredentialsMissing(
                f"The credential plugin {self._command[0]} cannot be started: {clause(error.strerror)}. Install it, or use a token."
            ) from None
        try:
            async with asyncio.timeout(PLUGIN_TIMEOUT_S):
                answer = await _read_bounded(process)
                code = await process.wait()
        except TimeoutError:
            raise ClusterUnavailable(
                f"The credential plugin {self._command[0]} did not end within {PLUGIN_TIMEOUT_S:g} s."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            raise CredentialsMissing(
                f"The credential plugin {self._command[0]} failed with exit code {code}. Run it by hand to see why."
            )
        return answer

    def _read(self, answer: bytes) -> tuple[str, int | None]:
        try:
            given = msgspec.json.decode(answer, type=_Credential).status or _Token()
        except msgspec.MsgspecError:
            raise CredentialsMissing(
                f"The answer of the credential plugin {self._command[0]} is not an ExecCredential. Correct the plugin."
            ) from None
        if not given.token:
            kind = "a client certificate" if given.client_certificate_data else "no token"
            raise CredentialsMissing(
                f"The credential plugin {self._command[0]} answers with {kind}; Herder needs a token. Use another plugin, or a token."
            )
        token = bearer(given.token, f"the answer of {self._command[0]}")
        return token, moment_ms(given.expiration_timestamp)


async def _read_bounded(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    pieces: list[bytes] = []
    while piece := await process.stdout.read(ANSWER_BYTES_MAX):
        pieces.append(piece)
        if sum(map(len, pieces)) > ANSWER_BYTES_MAX:
            process.kill()
            raise CredentialsMissing(
                f"The answer of the credential plugin is longer than {ANSWER_BYTES_MAX:,} bytes. Correct the plugin."
            )
    return b"".join(pieces)


def read_text(path: Path, what: str, bytes_max: int = ANSWER_BYTES_MAX) -> str:
    """Raises CredentialsMissing."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise CredentialsMissing(
            f"The {what} {path} cannot be read: {clause(error.strerror)}. Correct the path or its rights."
        ) from None
    if len(content) > bytes_max:
        raise CredentialsMissing(
            f"The {what} {path} is longer than {bytes_max:,} bytes. Name the right file."
        )
    return content.decode(errors="replace")
