"""What Proxmox VE refuses, as the errors that a driver may raise. Pure.

Proxmox says most in words: the same text comes with status 500 at once, or as the exit status of a task that was accepted. The table
is in order; the first pattern that is found decides. Called by `client`, and by whoever reads the end of a task.
"""

import re

from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.values.phrases import clause

#: In the answer of a proxy that cannot reach the node.
UNREACHABLE = frozenset({595, 596, 599})
_TEXT_MAX = 600
_TABLE: tuple[tuple[str, type[DriverError]], ...] = tuple(
    (pattern, kind)
    for kind, patterns in (
        (
            Unavailable,
            (
                r"no quorum",
                r"got timeout",
                r"got lock (request )?timeout",
                r"can't (lock file|acquire lock)",
                r"unable to acquire lock",
                r"is locked \(",
                r"is locked$",
                r"interrupted by signal",
                r"unexpected status",
                r"connection (refused|timed out|reset)",
                r"no route to host",
            ),
        ),
        (
            OutOfCapacity,
            (
                r"no space left",
                r"not enough (free )?(space|memory|disk)",
                r"out of space",
                r"insufficient free space",
                r"cannot allocate memory",
                r"free space: .*required",
                r"quota exceeded",
            ),
        ),
        (AlreadyExists, (r"already exists", r"config file already exists")),
        (
            InvalidRequest,
            (
                r"storage '[^']*' does not exist",
                r"no such (storage|bridge)",
                r"bridge '[^']*' does not exist",
                r"hostname lookup .* failed",
                r"no such cluster node",
                r"protection",
                r"used in HA resources",
                r"is a template",
                r"only root can set",
                r"base volume .* in use",
                r"linked clone",
            ),
        ),
        (
            NotFound,
            (r"does not exist", r"no such (vm|file|volume|task)", r"unable to find configuration file"),
        ),
        (Unauthorised, (r"permission check failed", r"authentication failure", r"invalid token")),
    )
    for pattern in patterns
)
_KINDS = tuple((re.compile(pattern, re.IGNORECASE | re.MULTILINE), kind) for pattern, kind in _TABLE)
_PRIVILEGE = re.compile(r"Permission check failed \(([^,]+), ([^)]+)\)", re.IGNORECASE)


def unreachable(url: str, said: str) -> Unavailable:
    """A call that was never sent; `said`: the text of the library."""
    for words, sentence in _CERTIFICATES:
        if words in said.lower():
            return Unavailable(f"Proxmox cannot be used at {url}: {clause(sentence)}.")
    said = re.sub(r"\[.*?\]|\(_ssl.*?\)", "", said).strip().rstrip(".") or "no answer"
    return Unavailable(
        f"Proxmox cannot be reached at {url}: {said}. Check the address, the certificate and the network."
    )


def call_error(what: str, status: int, text: str, *, writes: bool, token: str = "") -> DriverError:
    """`what` names the call in words; `text` is what the server said; `token` the id of the token, which is no secret."""
    said = _short(text)
    if status == 401:
        return Unauthorised(
            f"Proxmox does not accept the API token {token or 'of this driver'}: {said}. Check token_id and the secret of the token."
        )
    if status == 403:
        return Unauthorised(_missing(what, said, token))
    if status == 429:
        return RateLimited(f"Proxmox limits the rate of calls while {what}.", 5.0)
    if status in UNREACHABLE:
        sentence = f"Proxmox cannot reach the node while {what}: {said} (status {status}). Check the node and its network."
        return OutcomeUnknown(sentence) if writes and status != 595 else Unavailable(sentence)
    if status == 501:
        return InvalidRequest(
            f"This Proxmox does not know the call for {what}. Version 8 or newer is needed."
        )
    return _refused(what, status, text, said)


def _refused(what: str, status: int, text: str, said: str) -> DriverError:
    kind = kind_of(text)
    sentence = f"Proxmox refused {what}: {said}."
    if kind is not None:
        return _of(kind, sentence)
    if status == 404:
        return NotFound(sentence)
    if 400 <= status < 500:
        return InvalidRequest(sentence)
    return Unavailable(sentence)


def task_error(what: str, exit_status: str) -> DriverError:
    """A task that was accepted and has failed. It has ended, so that its outcome is known."""
    sentence = f"Proxmox failed at {what}: {_short(exit_status)}."
    return _of(kind_of(exit_status) or Unavailable, sentence)


def kind_of(text: str) -> type[DriverError] | None:
    return next((kind for pattern, kind in _KINDS if pattern.search(text)), None)


def succeeded(exit_status: str) -> bool:
    return exit_status == "OK" or exit_status.startswith("WARNINGS")


def _of(kind: type[DriverError], sentence: str) -> DriverError:
    remedy = next((text for words, text in _REMEDIES_OF_WORDS if words in sentence.lower()), "")
    remedy = remedy or _REMEDIES.get(kind, "")
    return kind(f"{sentence} {remedy}".strip())


_CERTIFICATES = (
    (
        "certificate has expired",
        "its certificate has expired. Renew it on the node, or correct the clock of this machine.",
    ),
    (
        "not yet valid",
        "its certificate is not valid yet. Correct the clocks of this machine and of the node.",
    ),
    (
        "mismatch",
        "its certificate is for another name. Write in url a name or an address that the certificate has.",
    ),
    (
        "certificate verify failed",
        "its certificate is not signed by an authority that this machine trusts. Set ca_file to a copy of /etc/pve/pve-root-ca.pem.",
    ),
    ("wrong version number", "it does not speak HTTPS there. Check scheme and port of url."),
)
_REMEDIES_OF_WORDS = (
    ("no quorum", "Start more of its nodes."),
    ("is locked (", "Wait for the task that has locked it. When none runs, run `qm unlock` there."),
)
_REMEDIES: dict[type[DriverError], str] = {
    OutOfCapacity: "Free space or memory there, or add a node.",
    InvalidRequest: "Correct the driver's settings, the pool's driver_options or the VM.",
}


def _missing(what: str, said: str, token: str) -> str:
    found = _PRIVILEGE.search(said)
    whom = f"the API token {token}" if token else "the API token"
    if found is None:
        return f"Proxmox does not allow {what} for {whom}: {said}. Add the privilege to its role."
    path, privilege = found.group(1).strip(), found.group(2).strip()
    return f"Proxmox does not allow {what}: {whom} lacks the privilege {privilege} on {path}. Add it to the role of the token and of its user."


def _short(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return (plain[:_TEXT_MAX] or "no explanation").rstrip(".?!")
