"""Answers as bytes: JSON by msgspec, problems by RFC 9457. Used by all routes."""

import math
from collections.abc import Collection
from typing import Any

import msgspec
from fastapi import Request, Response

from herder.control.kernel.bounds.errors import Invalid, Refused
from herder.model.values.phrases import clause
from herder.observability.logs import REQUEST
from herder.wire.api.resources import Problem
from herder.wire.decode_errors import explained, explained_sentence

_encode = msgspec.json.Encoder().encode
#: Longest that a call that waits is held open; clients ask again.
WAIT_LONGEST_S = 30

_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    422: "Invalid input",
    429: "Too much at once",
    503: "Not ready",
}


def reply(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status_code=status, media_type="application/json")


def problem(refused: Refused) -> Response:
    request = REQUEST.get()
    if request is not None:
        request.code, request.detail = refused.code, refused.detail
    body = Problem(
        title=_TITLES.get(refused.status, "Refused"),
        status=refused.status,
        detail=refused.detail,
        code=refused.code,
        field=refused.field,
        hint=refused.hint,
    )
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return Response(
        _encode(body), status_code=refused.status, media_type="application/problem+json", headers=headers
    )


def decode(body: bytes | bytearray, kind: Any) -> Any:
    """Raises Invalid, which names the field as a path (`jobs[3].cpu`). `kind` bytes: the body is text, not JSON."""
    if kind is bytes:
        return _text(body)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(
            explained_sentence(error),
            field=explained(error)[1],
            hint="/api/v1/openapi.json describes the fields.",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The request body is not JSON: {clause(error)}.") from None
    except RecursionError:
        raise Invalid("The request body is nested too deeply.") from None


def _text(body: bytes | bytearray) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"The request body is not UTF-8 text, at byte {error.start:,}.") from None


def is_number(text: str) -> bool:
    """Whether it is the number of a thing. `str.isdigit` alone takes also what `int` refuses, as ²."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def path_number(request: Request, name: str) -> int:
    """The number of a thing in the path. Raises Invalid."""
    text = request.path_params[name]
    if not is_number(text):
        raise Invalid(f"{text!r} is not the number of a {name}.", field=name)
    return int(text)


def refuse_nul(request: Request) -> None:
    """Nothing has a NUL in its name, and PostgreSQL takes none in a question. Raises Invalid."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise Invalid("The address contains a NUL character.", hint="Remove %00 from the address.")


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raises Invalid for a parameter of the address that is not known."""
    for name in request.query_params:
        if name not in known:
            names = ", ".join(sorted(known))
            raise Invalid(
                f"This route has no parameter {name[:50]!r}.",
                field=name[:50],
                hint=f"The parameters are {names}." if names else "The route has no parameters.",
            )


def bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def number(request: Request, name: str, default: int | None = None) -> int | None:
    """A whole number of the query string, 0 or more. Raises Invalid."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not is_number(text):
        raise Invalid(f"{text[:50]!r} is not a whole number of at least 0.", field=name)
    return int(text)


def page_size(request: Request, default: int = 100) -> int:
    """How many items a page may have. Raises Invalid."""
    size = number(request, "limit", default) or 0
    if size < 1:
        raise Invalid("The limit must be at least 1.", field="limit")
    return size


def flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "").lower()
    if text not in ("", "0", "1", "true", "false", "yes", "no"):
        raise Invalid(f"{text!r} is neither true nor false.", field=name)
    return text in ("1", "true", "yes")


def held_s(request: Request) -> float:
    """How long a call that waits may be held open, from its `timeout_s`. Raises Invalid."""
    text = request.query_params.get("timeout_s", "")
    try:
        seconds = float(text or WAIT_LONGEST_S)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise Invalid(f"{text[:50]!r} is not a number of seconds.", field="timeout_s")
    return min(WAIT_LONGEST_S, max(0.0, seconds))
