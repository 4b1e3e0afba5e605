"""Requests to a fake and its answers, as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    """Without the query, decoded except for the names in it."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""
    body: bytes = b""
    host: str = ""
    """As the client asked for it: one fake may have several."""

    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(slots=True, kw_only=True)
class Answer:
    status: int
    body: Any = None
    """Sent as JSON; bytes as they are."""
    reason: str = "OK"
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json;charset=UTF-8"
    delay_ms: int = 0
    cut: bool = False
    """Instead of the answer the connection ends: the request may have had its effect."""

    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Fake(Protocol):
    def request(self, request: Request, now_ms: int) -> Answer: ...
