"""What the answer of a tool says: its data, or the error that is hidden in its text. Pure.

Servers of MCP say errors in many ways: with the mark `is_error`, as JSON with a field `error`, as a sentence that begins with "Error" or a
cross, and some hide the reason in their log. What Proxmox said is looked for in all of them; then its table of errors decides.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.remote.proxmox.errors import call_error, kind_of

TEXT_MAX = 400
_BEGINS_AS_ERROR = re.compile(
    r"\s*[\W_]*(error|fail(ed|ure)|exception|traceback|cannot|could not|unable|permission|unauthori[sz]ed|forbidden|invalid|"
    r"unknown tool|not found|raw proxmox api access is disabled|tool '[^']*' (is not|was not))\b",
    re.IGNORECASE,
)
_CROSSES = ("❌", "✗", "✘", "⛔", "🚫")
_UPID = re.compile(
    r"UPID:[^\s:\"']+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:[^\s:\"']+:[^\s:\"']*:[^\s:\"']+:"
)
#: `500 Internal Server Error: VM 1 already exists`, `Server error '500 VM 1 already exists' for url …`.
_STATUSES = (
    re.compile(r"error '(\d{3}) (.*?)' for url", re.IGNORECASE | re.DOTALL),
    re.compile(r"\b([45]\d\d) [A-Z][A-Za-z' -]*: (.*)", re.DOTALL),
    re.compile(r"\b(?:status|http|code)\D{0,10}([45]\d\d)\b\W*(.*)", re.IGNORECASE | re.DOTALL),
    re.compile(r"\b(59[5-9]) (.*)", re.DOTALL),
)
_NO_EXPLANATION = re.compile(r"\s*error (executing|calling|in) tool [\w.-]+\s*\.?\s*", re.IGNORECASE)
_NOT_REACHED = re.compile(
    r"connection ?(refused|reset|error)|max retries exceeded|all connection attempts failed|name or service not known|"
    r"no route to host|newconnectionerror|failed to establish|certificate verify failed|network is unreachable",
    re.IGNORECASE,
)
_LATE = re.compile(r"timed? ?out|timeout|read error|remote end closed|connection aborted", re.IGNORECASE)
_WRONG_USE = re.compile(
    r"unknown tool|validation error|not enabled|read-only|unexpected keyword|missing .* argument|unknown argument|is disabled",
    re.IGNORECASE,
)
_WRONG_TOKEN = re.compile(r"unauthori[sz]ed|authentication failure|invalid token|\b401\b", re.IGNORECASE)
_LOGGED = re.compile(r"\b\w*(?:Error|Exception): (.+)")


def data_in(text: str) -> Any:
    """What the tool answered, without its wrapping. Raises ValueError: it is no data."""
    try:
        found = _decoded(text)
    except ValueError:
        if task := task_in(text):
            return task
        raise
    if isinstance(found, dict) and set(found) == {"result"} and isinstance(found["result"], str):
        return data_in(found["result"])
    return found["data"] if isinstance(found, dict) and "data" in found else found


def _decoded(text: str) -> Any:
    """Raises ValueError."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError("without data") from None


def task_in(text: str) -> str:
    """The id of a task, wherever it is in the answer; empty: there is none."""
    found = _UPID.search(text)
    return found[0] if found is not None else ""


def error_in(text: str, *, marked: bool) -> str | None:
    """What went wrong, in the words of the server; None: nothing. `marked`: the answer says itself that it is an error."""
    try:
        found = _decoded(text)
    except ValueError:
        found = text
    if isinstance(found, dict) and found.get("error"):
        error = found["error"]
        return str(error.get("message", error) if isinstance(error, dict) else error)
    if isinstance(found, dict) and found.get("success") is False:
        return str(found.get("message") or text)
    said = found if isinstance(found, str) else text
    if marked:
        return said
    if isinstance(found, str) and (_BEGINS_AS_ERROR.match(found) or found.lstrip().startswith(_CROSSES)):
        return said
    return None


def explanation(lines: Iterable[str], tool: str) -> str:
    """What the log of a server says of the last failed call of a tool; empty: nothing."""
    told, inside = "", False
    for line in lines:
        if re.search(rf"tool\W+{re.escape(tool)}\b.*raised", line, re.IGNORECASE):
            told, inside = "", True
        elif inside and not told and (match := _LOGGED.search(line)) is not None:
            told = match[1]
    return told


def unexplained(text: str) -> bool:
    return _NO_EXPLANATION.fullmatch(text) is not None


def error_of(what: str, text: str, place: str, *, writes: bool, about: str = "") -> DriverError:
    """`about`: the VMID of the call. An error of another VM, read from a log, does not speak for this one."""
    status, reason = status_in(text)
    if status == 401:
        return _wrong_token(what, reason, place)
    if status:
        error = call_error(what, status, reason, writes=writes)
        if isinstance(error, NotFound) and about and about not in reason:
            return Unavailable(str(error))
        return error
    if _NOT_REACHED.search(text):
        return Unavailable(
            f"Proxmox cannot be reached by {place} while {what}: {short(text)}. Check the address that the server is given, and the network."
        )
    if _WRONG_USE.search(text):
        return InvalidRequest(
            f"{capital(place)} refused {what}: {short(text)}. Check the setting tools and how the server is started."
        )
    if _WRONG_TOKEN.search(text):
        return _wrong_token(what, text, place)
    kind = kind_of(text)
    if kind is not None and not _LATE.search(text):
        return call_error(what, 500, text, writes=writes)
    lost = OutcomeUnknown if writes else Unavailable
    said = "it gives no reason" if unexplained(text) else short(text)
    return lost(f"{capital(place)} reports an error while {what}: {said}. Read the log of the server.")


def _wrong_token(what: str, text: str, place: str) -> DriverError:
    return Unauthorised(
        f"Proxmox does not accept the API token of {place} while {what}: {short(text)}. Check the token that the server is given."
    )


def status_in(text: str) -> tuple[int, str]:
    """The HTTP status of Proxmox and its words; 0: none is quoted."""
    for pattern in _STATUSES:
        found = pattern.search(text)
        if found is not None:
            return int(found[1]), found[2].strip() or text
    return 0, ""


def short(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return (plain[:TEXT_MAX] or "no explanation").rstrip(". ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
