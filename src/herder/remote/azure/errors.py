"""What Azure Resource Manager refuses, as the errors that a driver may raise: of an answer, and of an operation that has ended. Pure.

The code decides, except where one code is used for several things and only the words tell them apart.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

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
from herder.model.values.phrases import sentences
from herder.remote.clouds.errors import PagesExpired, Reply, Said, of_kind, short

PROVIDER = "Azure"


class VmExists(AlreadyExists):
    """The answer to a creation: a VM has the name, whatever Azure shows of it."""


_KINDS: dict[type[DriverError], str] = {
    QuotaExceeded: "QuotaExceeded ResourceQuotaExceeded PublicIPCountLimitReached SubnetIsFull",
    OutOfCapacity: "SkuNotAvailable AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest"
    " OverconstrainedZonalAllocationRequest SpotMaxPriceTooLow",
    RateLimited: "TooManyRequests OperationThrottled SubscriptionRequestsThrottled ResourceCollectionRequestsThrottled",
    VmExists: "PreconditionFailed",
    AlreadyExists: "InvalidResourceLocation ConflictingUserInput",
    NotFound: "ResourceNotFound NotFound",
    Unauthorised: "AuthorizationFailed LinkedAuthorizationFailed InvalidAuthenticationToken ExpiredAuthenticationToken"
    " InvalidAuthenticationTokenTenant AuthenticationFailed",
    InvalidRequest: "RequestDisallowedByPolicy ScopeLocked PropertyChangeNotAllowed InvalidParameter"
    " InvalidResourceReference ImageNotFound PlatformImageNotFound GalleryImageNotFound BadRequest",
    Unavailable: "Conflict AnotherOperationInProgress RetryableError ReferencedResourceNotProvisioned OperationNotAllowed"
    " NicReservedForAnotherVm NicInUse InUsePublicIPAddressCannotBeDeleted PublicIPAddressCannotBeDeleted"
    " InternalServerError InternalExecutionError InternalOperationError OSProvisioningTimedOut OperationPreempted",
}
_KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}
_REMEDIES = {
    "SubscriptionNotFound": "Correct the setting subscription",
    "ResourceGroupNotFound": "Create it, or correct the setting resource_group",
    "DisabledSubscription": "Enable the subscription",
    "ReadOnlyDisabledSubscription": "Enable the subscription",
    "ScopeLocked": "Remove the lock",
    "RequestDisallowedByPolicy": "Change the policy, or the settings of the driver",
    "InvalidAuthenticationTokenTenant": "Log in to the tenant of the subscription",
}
#: Without these nothing can be done or seen: never a machine that is missing.
_NO_PLACE = frozenset(
    {"SubscriptionNotFound", "ResourceGroupNotFound", "DisabledSubscription", "ReadOnlyDisabledSubscription"}
)
_TERMS = frozenset(
    {
        "MarketplacePurchaseEligibilityFailed",
        "ResourcePurchaseValidationFailed",
        "VMMarketplaceInvalidInput",
        "PlanInformationRequired",
    }
)
_ACTION = re.compile(r"perform action '([^']+)' over scope '([^']+)'")
_LINKED = re.compile(r"perform action\(?s?\)? '([^']+)' on the linked scope\(?s?\)? '([^']+)'")
_ERROR = re.compile(r'\{\s*"error"')
#: Codes that are no words of other texts.
_WORD = re.compile(rf"\b({'|'.join(f'{_KINDS[QuotaExceeded]} {_KINDS[OutOfCapacity]}'.split())})\b")
_NAMESPACE = re.compile(r"namespace '([\w.]+)'")


def explain(reply: Reply) -> Said:
    error = reply.data.get("error") if isinstance(reply.data, dict) else None
    if not isinstance(error, dict):
        # Only Azure itself knows that something is not there.
        return Said(kind=Unavailable) if reply.status == 404 else Said()
    said = said_of(error, reply.status)
    # The status knows better whether something may have happened.
    return replace(said, kind=None) if reply.status >= 500 and said.kind is Unavailable else said


def said_of(error: Mapping[str, Any], status: int = 0) -> Said:
    """The first of the error and its details whose code is known."""
    rows = list(_flat(error))
    for code, words in rows:
        said = _said(code, words, status)
        if said is not None:
            return said
    code, words = rows[0]
    # A conflict is hardly ever a name that is taken: it is a state that passes. Of what else is not found nothing follows for a VM.
    kinds: dict[int, type[DriverError]] = {409: Unavailable, 404: InvalidRequest}
    return Said(words=words or code, kind=kinds.get(status))


def said_in(text: str) -> Said | None:
    """Of an error that another service passes on in a text of its own. None: the text has none that is known."""
    error = next(_errors_in(text), None)
    word = _WORD.search(text)
    if error is None and word is not None:
        error = {"code": word[0], "message": text}
    said = said_of(error) if error is not None else Said()
    return said if said.kind is not None else None


def _errors_in(text: str) -> Iterator[Mapping[str, Any]]:
    for place in _ERROR.finditer(text):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found["error"], dict):
            yield found["error"]


def _flat(error: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, str]]:
    yield str(error.get("code", "")), str(error.get("message", ""))
    details = error.get("details")
    if isinstance(details, list) and depth < 5:
        for each in details:
            if isinstance(each, dict):
                yield from _flat(each, depth + 1)


def _said(code: str, words: str, status: int) -> Said | None:
    if code in _NO_PLACE:
        return Said(words=words, kind=Unauthorised, remedy=_REMEDIES[code])
    if code == "MissingSubscriptionRegistration":
        namespace = _NAMESPACE.search(words)
        name = namespace[1] if namespace else "Microsoft.Compute"
        remedy = f"Register it: `az provider register --namespace {name}`"
        return Said(words=words, kind=Unauthorised, remedy=remedy)
    if permission := _LINKED.search(words) or _ACTION.search(words):
        missing = f"the account lacks the permission {permission[1]} on {permission[2]}"
        return Said(words=missing, kind=Unauthorised, remedy="Add it to the role of the account")
    if code in _TERMS:
        remedy = "Accept the terms of the image: `az vm image terms accept --urn PUBLISHER:OFFER:SKU:VERSION`"
        return Said(words=words, kind=InvalidRequest, remedy=remedy)
    if "skiptoken" in f"{code} {words}".lower().replace(" ", ""):
        return Said(words=words, kind=PagesExpired)
    kind = _KIND_OF.get(code)
    if code == "OperationNotAllowed":
        kind = _not_allowed(words, status)
    if kind is None:
        return None
    remedy = "Check the credentials of the driver" if kind is Unauthorised else ""
    return Said(words=words or code, kind=kind, remedy=_REMEDIES.get(code, remedy))


def _not_allowed(words: str, status: int) -> type[DriverError]:
    """Azure says so of a quota, of a spot price that is higher than the maximum, of a change that has to wait, and of one that cannot be."""
    plain = words.lower()
    if "quota" in plain:
        return QuotaExceeded
    if "max price" in plain or "maximum price" in plain:
        return OutOfCapacity
    return InvalidRequest if status == 400 else Unavailable


def operation_error(error: Mapping[str, Any], what: str) -> DriverError:
    """Of an operation, or of a VM, that has failed."""
    said = said_of(error)
    code = str(error.get("code", ""))
    text = f"{PROVIDER} failed at {what}: {short(said.words or code) or 'it does not say why'}"
    return of_kind(said.kind or Unavailable, sentences(text, said.remedy))
