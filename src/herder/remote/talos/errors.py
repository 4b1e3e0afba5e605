"""What a Talos API refuses, as `DriverError`s with sentences. Called by `client` and `wire`.

A missing right names the role that is needed; whether something may have happened is in the class, never in the text.
"""

import ssl
from dataclasses import dataclass

from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.model.values.phrases import clause, sentences

WORDS_MAX = 300
_INVALID = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED")
#: Talos gives these errors no status of their own.
_INVALID_WORDS = ("doesn't support", "not defined")


class CertificateUnknown(Unavailable):
    """The machine shows a certificate of another authority, as one in maintenance mode does."""


class Unreached(Unavailable):
    """Nothing was sent: nothing listens there, or it cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a sentence must name."""

    method: str
    at: str
    """The machine that is meant."""
    roles: tuple[str, ...]
    changes: bool


class Refused(Exception):
    """A gRPC status that is not OK, as a wire hands it to the client. `code`: its name, such as `PERMISSION_DENIED`."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = clause(words)[:WORDS_MAX]


class Lost(Exception):
    """The connection ended or the time was over. `sent`: the request may have reached the machine."""

    def __init__(self, words: str, *, sent: bool) -> None:
        super().__init__(words)
        self.words = clause(words)[:WORDS_MAX]
        self.sent = sent


def refused(called: Called, refusal: Refused) -> DriverError:
    code, words, at = refusal.code, refusal.words, called.at
    if code == "PERMISSION_DENIED":
        return _forbidden(called, words)
    if code == "UNAUTHENTICATED":
        return Unauthorised(
            sentences(f"Talos at {at} does not accept the client certificate", words, "Renew the talosconfig")
        )
    if code == "NOT_FOUND":
        return NotFound(sentences(f"Talos at {at} does not have what {called.method} asks for", words))
    if code in _INVALID or any(each in words for each in _INVALID_WORDS):
        return InvalidRequest(sentences(f"Talos at {at} refuses the call {called.method}", words))
    if called.changes and code != "RESOURCE_EXHAUSTED" and "while dialing" not in words:
        text = f"Talos at {at} may have carried out {called.method}, but answered with gRPC status {code}"
        return OutcomeUnknown(sentences(text, words))
    text = f"Talos at {at} cannot serve the call {called.method} now (gRPC status {code})"
    return Unavailable(sentences(text, words))


def _forbidden(called: Called, words: str) -> DriverError:
    if "forwarding" in words:
        return Unauthorised(
            f"The Talos endpoint does not forward calls to {called.at}: only control plane machines do. "
            "Set endpoints of control plane machines in the talosconfig."
        )
    return Unauthorised(
        f"Talos at {called.at} does not allow the call {called.method}: it needs the role {called.roles[0]}. "
        f"Create a talosconfig with it: `talosctl config new --roles {called.roles[0]}`."
    )


def lost(called: Called, loss: Lost) -> DriverError:
    if loss.sent and called.changes:
        text = f"Talos at {called.at} did not answer {called.method}, which may have happened: {loss.words}."
        return OutcomeUnknown(text)
    kind = Unavailable if loss.sent else Unreached
    return kind(f"Talos at {called.at} does not answer {called.method}: {loss.words}.")


def not_trusted(at: str, error: ssl.SSLCertVerificationError) -> DriverError:
    words = clause(error.verify_message)
    if "not yet valid" in words:
        return Unavailable(
            f"The certificate of Talos at {at} is not yet valid: its clock or that of this server is wrong. Correct the time on both."
        )
    if "expired" in words:
        return Unavailable(
            f"The certificate of Talos at {at} has expired. Talos renews it by itself, so a clock may be wrong: correct the time, "
            "or restart the machine."
        )
    if "mismatch" in words:
        return Unavailable(
            f"The certificate of Talos at {at} is for another name or address: {words}. Add this one to machine.certSANs of the machine, "
            "or use one that the certificate has."
        )
    return CertificateUnknown(
        f"The certificate of Talos at {at} is not of the authority of the talosconfig: {words}. "
        "The machine is in maintenance mode, or belongs to another cluster."
    )
