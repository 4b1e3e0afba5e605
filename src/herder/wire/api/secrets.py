"""Bodies of the REST API about secrets, and how a worker gets the values for one attempt. A value is sent by clients and to workers, and
never answered to a client."""

from typing import Literal

import msgspec

Encoding = Literal["utf-8", "base64"]


class SecretValue(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A new value. With `base64`, `value` holds bytes in that form."""

    value: str
    encoding: Encoding = "utf-8"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(value: not shown)"


class SecretCreate(SecretValue, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A secret of the caller, or of a project of which the caller is a member with the role user."""

    name: str
    project: str | None = None


class SecretView(msgspec.Struct, kw_only=True):
    """What is known of a secret. Its value is shown to nobody."""

    name: str
    user: str
    """Whose it is; empty: it belongs to a project."""
    project: str
    version: int
    """Grows with each value."""
    bytes: int
    """Of the value."""
    state: Literal["ready", "unreadable"]
    """unreadable: the server does not have the key with which it is encrypted."""
    key: str
    """The id of that key."""
    created_at: str
    changed_at: str
    changed_by: str


class Delivered(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One value for an attempt, as base64: as a variable, or as a file below the folder of its secrets."""

    name: str
    value: bytes
    env: str = ""
    file: str = ""

    def __repr__(self) -> str:
        return f"Delivered(name={self.name!r}, value: not shown)"


class SecretsAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`missing`: why the attempt cannot have them, as a sentence; then there are none."""

    values: list[Delivered] = []
    missing: str = ""
