"""What a provider refuses, as `DriverError`s with sentences. Called by `client`; pure.

A provider's driver reads the answer (`Said`); what the status alone says is here. Whether something may have happened is in the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import takewhile
from operator import eq
from typing import Any

from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.values.phrases import clause, sentences

WORDS_MAX = 600
#: Where the provider does not say how long to wait.
RETRY_AFTER_S = 5.0
#: So much of the beginning of a secret is not shown either.
_BEGINNING = 12


class PagesExpired(Unavailable):
    """A page token is not accepted any more: the list has to be read from its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""
    data: Any = None
    """Of the body, decoded; None: it was empty, or of an error and not readable."""
    text: str = ""
    """Of an error whose body could not be read as data: its beginning."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a provider says in an answer that is an error."""

    words: str = ""
    kind: type[DriverError] | None = None
    """None: the status decides."""
    zone: str = ""
    """Where there is no capacity."""
    remedy: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a sentence must name. `what`: the call in words, such as `creating VM a`."""

    provider: str
    what: str
    writes: bool
    secrets: Sequence[str] = field(default=(), repr=False)
    """What the provider may quote, and no error may."""


_REMEDIES: dict[type[DriverError], str] = {
    InvalidRequest: "Correct the driver's settings or the pool's driver_options",
    QuotaExceeded: "Ask the provider for a higher quota, or lower max_workers",
}


def refused(called: Called, reply: Reply, said: Said, now_ms: int) -> DriverError:
    kind = said.kind or kind_of(reply.status, writes=called.writes)
    if reply.status == 404 and reply.data is None:
        kind = (
            Unavailable  # of something between here and the provider: it says nothing of what was asked for
        )
    words = short(without(said.words or reply.text, called.secrets)) or f"HTTP status {reply.status}"
    if kind is RateLimited:
        wait_s = retry_after_s(reply.headers, now_ms)
        wait_s = wait_s if wait_s is not None else said.retry_after_s
        text = f"{called.provider} limits the rate of calls: {words}"
        return RateLimited(sentences(text), RETRY_AFTER_S if wait_s is None else wait_s)
    if kind is OutcomeUnknown:
        text = f"{called.provider} failed at {called.what}, which may have happened: {words}"
    elif kind is Unavailable:
        text = f"{called.provider} cannot carry out {called.what} now: {words}"
    else:
        text = f"{called.provider} refused {called.what}: {words}"
    return of_kind(kind, sentences(text, said.remedy or _REMEDIES.get(kind, "")), said.zone)


def of_kind(kind: type[DriverError], text: str, zone: str = "") -> DriverError:
    """An error of `kind`, also of those that need more than a text."""
    if issubclass(kind, OutOfCapacity):
        return OutOfCapacity(text, zone)
    if issubclass(kind, RateLimited):
        return RateLimited(text, RETRY_AFTER_S)
    return kind(text)


def kind_of(status: int, *, writes: bool) -> type[DriverError]:
    known: dict[int, type[DriverError]] = {
        401: Unauthorised,
        403: Unauthorised,
        404: NotFound,
        408: OutcomeUnknown if writes else Unavailable,
        409: AlreadyExists,
        429: RateLimited,
    }
    if status in known:
        return known[status]
    if 400 <= status < 500:
        return InvalidRequest
    if status >= 500 and writes:
        return OutcomeUnknown
    return Unavailable


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Of a number of seconds or a time, as HTTP allows both; None: nothing that can be read."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms / 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def without(text: str, secrets: Sequence[str]) -> str:
    """Without secrets, also where a quotation of one is cut."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "(secret)")
        beginning = secret[:_BEGINNING]
        while len(beginning) == _BEGINNING and (at := text.find(beginning)) >= 0:
            quoted = sum(1 for _ in takewhile(bool, map(eq, text[at:], secret)))
            text = f"{text[:at]}(secret){text[at + quoted :]}"
    return text


def short(words: object) -> str:
    """In one printable line, without its full stop."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(words))
    return clause(plain)[:WORDS_MAX]
