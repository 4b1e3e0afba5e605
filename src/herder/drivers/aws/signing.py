"""Signature Version 4 of AWS. Pure.

Its own lines: botocore's would bring 30 MB for them. A test compares both.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

import httpx

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    access_key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Of temporary ones."""
    until_ms: int | None = None
    """When they end; None: nobody has said so."""


def sign(request: httpx.Request, keys: Keys, region: str, service: str, now_ms: int) -> None:
    """Adds the headers that prove who calls."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = moment
    if keys.token:
        request.headers["X-Amz-Security-Token"] = keys.token
    names = ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target")
    signed = {name: request.headers[name].strip() for name in names if name in request.headers}
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, moment, scope, _digest(_canonical(request, signed).encode())))
    key = f"AWS4{keys.secret}".encode()
    for each in scope.split("/"):
        key = hmac.digest(key, each.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    request.headers["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )


def _canonical(request: httpx.Request, signed: Mapping[str, str]) -> str:
    pairs = sorted(
        (_escaped(name), _escaped(value))
        for name, value in parse_qsl(request.url.query.decode(), keep_blank_values=True)
    )
    query = "&".join(f"{name}={value}" for name, value in pairs)
    headers = "".join(f"{name}:{value}\n" for name, value in signed.items())
    return "\n".join(
        (request.method, request.url.path, query, headers, ";".join(signed), _digest(request.content))
    )


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
