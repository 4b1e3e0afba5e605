"""The parts of Kubernetes objects that every reader needs, as small typed structs: metadata, lists, Status bodies. Data only.

Only fields that are used are named: the rest of an object is skipped while it is read, and costs no memory.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

#: What a decoder raises when the bytes are no JSON, are nested too deeply, or have another form.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: A server that asks for a longer pause is asked after this one.
RETRY_AFTER_MAX_S = 300.0


class Owner(msgspec.Struct, gc=False):
    kind: str = ""
    name: str = ""
    controller: bool = False


class _Annotations(msgspec.Struct, gc=False):
    mirror: str | None = msgspec.field(default=None, name="kubernetes.io/config.mirror")


class Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: _Annotations | None = None
    owner_references: list[Owner] | None = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def names_one(self) -> bool:
        """Whether its path names this object and no other: a call to a node with the name `..` or with none would meet all nodes."""
        parts = (self.name, self.namespace or "-")
        return bool(self.uid) and not any(part in ("", ".", "..") or "/" in part for part in parts)

    @property
    def mirror(self) -> bool:
        """Whether it only shows a static pod of its node."""
        return self.annotations is not None and self.annotations.mirror is not None

    @property
    def of_daemon_set(self) -> bool:
        return any(owner.controller and owner.kind == "DaemonSet" for owner in self.owner_references or ())


class ListMetadata(msgspec.Struct, rename="camel", gc=False):
    """Every list has a version: what has none is no list, and not an empty one either."""

    resource_version: str
    continue_: str = msgspec.field(default="", name="continue")


class Cause(msgspec.Struct, gc=False):
    reason: str = ""
    message: str = ""


class Details(msgspec.Struct, rename="camel", gc=False):
    causes: list[Cause] | None = None
    retry_after_seconds: int = 0


class Status(msgspec.Struct, gc=False):
    """What the API answers instead of an object."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None

    @property
    def causes(self) -> list[Cause]:
        return (self.details.causes or []) if self.details is not None else []

    @property
    def retry_after_s(self) -> float:
        return float(self.details.retry_after_seconds) if self.details is not None else 0.0


_STATUS: msgspec.json.Decoder[Status] = msgspec.json.Decoder(Status)


def status_of(body: bytes | msgspec.Raw, code: int) -> Status:
    """Whatever was answered: a body that is no Status has its beginning as message."""
    try:
        status = _STATUS.decode(body)
    except UNREADABLE:
        return Status(message=bytes(body[:200]).decode(errors="replace"), code=code)
    status.code = status.code or code
    return status


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)


def moment_ms(text: str) -> int | None:
    """A time as Kubernetes writes it, in milliseconds since the epoch; None when it is none."""
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
