"""What EC2 refuses, as the errors that a driver may raise: of an answer, and of an instance that has ended. Pure."""

import re

from herder.drivers.aws.xml import part
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutOfCapacity,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.remote.clouds.errors import PagesExpired, Reply, Said

PROVIDER = "AWS"


class WouldPass(InvalidRequest):
    """The answer to a dry run that had every permission."""


class TokenUsed(AlreadyExists):
    """The instance that was made with the client token has ended."""


KINDS: dict[str, type[DriverError]] = {
    **dict.fromkeys(
        (
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientCapacity",
            "SpotMaxPriceTooLow",
        ),
        OutOfCapacity,
    ),
    **dict.fromkeys(
        (
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "VolumeLimitExceeded",
            "AddressLimitExceeded",
            "InsufficientFreeAddressesInSubnet",
        ),
        QuotaExceeded,
    ),
    **dict.fromkeys(
        ("RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"), RateLimited
    ),
    **dict.fromkeys(
        (
            "AuthFailure",
            "UnauthorizedOperation",
            "OptInRequired",
            "PendingVerification",
            "Blocked",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "RequestExpired",
            "ExpiredToken",
            "MissingAuthenticationToken",
            "AccessDeniedException",
            "ExpiredTokenException",
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
            "UnrecognizedClientException",
        ),
        Unauthorised,
    ),
    "DryRunOperation": WouldPass,
    "IdempotentParameterMismatch": AlreadyExists,
    "IdempotentInstanceTerminated": TokenUsed,
    "InvalidInstanceID.NotFound": NotFound,
    "InvalidVolume.NotFound": NotFound,
    "VolumeInUse": Unavailable,
    **dict.fromkeys(
        (
            "InvalidNextToken",
            "InvalidNextTokenException",
            "ExpiredNextTokenException",
            "InvalidPaginationTokenException",
        ),
        PagesExpired,
    ),
    "IncorrectInstanceState": Unavailable,
}
_REMEDIES = {
    "RequestExpired": "Correct the clock of this machine",
    "ExpiredTokenException": "Renew the temporary credentials of the driver",
    "ExpiredToken": "Renew the temporary credentials of the driver",
    "OptInRequired": "Accept the terms of the image, or subscribe to it, in the AWS Marketplace",
    "InsufficientFreeAddressesInSubnet": "Use a larger subnet",
}
_PERMISSION = re.compile(r"is not authorized to perform: ([\w:*]+)(?: on resource: (\S+))?")


def explain(reply: Reply) -> Said:
    code, words = _error_in(reply.data)
    kind = KINDS.get(code)
    if kind is None and reply.status in (404, 409):
        # AWS says with a code what it does not have: this is of something between here and there.
        return Said(words=words, kind=Unavailable)
    if not code:
        return Said()
    if kind is Unauthorised and (permission := _PERMISSION.search(words)):
        on = f" on {permission.group(2)}" if permission.group(2) else ""
        words = f"the account lacks the permission {permission.group(1)}{on}"
        return Said(words=words, kind=Unauthorised, remedy="Add it to the policy of the account")
    remedy = _REMEDIES.get(code, "Check the credentials of the driver" if kind is Unauthorised else "")
    return Said(words=f"{code}: {words}", kind=kind, remedy=remedy)


def _error_in(data: object) -> tuple[str, str]:
    """Code and words: EC2 says them in XML, other services in JSON. Empty: it is no error of AWS."""
    if not isinstance(data, dict):
        return "", ""
    if "__type" in data:
        words = data.get("message") or data.get("Message") or ""
        return str(data["__type"]).rpartition("#")[2], str(words)
    first = part(part(part(data, "Response"), "Errors"), "Error")
    return str(first.get("Code", "")), str(first.get("Message", ""))


def end_error(code: str, words: str) -> DriverError | None:
    """Of an instance that never ran: why. `code`: `Server.InsufficientInstanceCapacity`. None: a person or Herder ended it."""
    plain = code.partition(".")[2]
    if plain in ("UserInitiatedShutdown", "InstanceInitiatedShutdown", "SpotInstanceTermination", ""):
        return None
    text = f"{PROVIDER} could not start the instance: {words or code}."
    kind = KINDS.get(plain, NotFound if code.startswith("Server.") else InvalidRequest)
    return (
        OutOfCapacity(text)
        if kind is OutOfCapacity
        else RateLimited(text, 5.0)
        if kind is RateLimited
        else kind(text)
    )
