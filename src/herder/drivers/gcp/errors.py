"""What Google's APIs refuse, as the errors that a driver may raise: of an answer, and of an operation that has ended. Pure.

Google says most of it twice: as a code, and in words. The code decides, except where the words alone say what is missing.
"""

import re
from collections.abc import Mapping
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

PROVIDER = "Google Cloud"


class NoSuchZone(InvalidRequest):
    """Google has no such zone, and therefore nothing in it."""


#: Reasons of answers and codes of operations, in small letters and without underscores.
_KINDS: dict[str, type[DriverError]] = {
    "quotaexceeded": QuotaExceeded,
    "quotaexceedederror": QuotaExceeded,
    "zoneresourcepoolexhausted": OutOfCapacity,
    "zoneresourcepoolexhaustedwithdetails": OutOfCapacity,
    "resourcepoolexhausted": OutOfCapacity,
    "resourcesexhausted": OutOfCapacity,
    "stockout": OutOfCapacity,
    "ratelimitexceeded": RateLimited,
    "userratelimitexceeded": RateLimited,
    "resourceoperationrateexceeded": RateLimited,
    "alreadyexists": AlreadyExists,
    "resourcealreadyexists": AlreadyExists,
    "resourcenotready": Unavailable,
    "internalerror": Unavailable,
    "backenderror": Unavailable,
    "serviceaccountaccessdenied": Unauthorised,
    "permissiondenied": Unauthorised,
    "invalidusage": InvalidRequest,
    "invalidfieldvalue": InvalidRequest,
    "unsupportedoperation": InvalidRequest,
    "conditionnotmet": InvalidRequest,
    "resourceinusebyanotherresource": InvalidRequest,
}
#: Whose absence says that a machine is not there. That of anything else is an error in the settings.
_OURS = re.compile(r"/(instances|operations|disks)/[^/]+$")
_ZONE = re.compile(r"/zones/[^/]+$")
_NOT_FOUND = re.compile(r"[Tt]he (?:referenced )?resource '([^']+)' was not found")
_NO_PROJECT = re.compile(
    r"[Ff]ailed to find project|[Pp]roject '?[^' ]+'? (was )?not found|[Uu]nknown project"
)
_PERMISSION = re.compile(r"Required '([\w.]+)' permission for '([^']+)'")
_API = re.compile(r"([\w-]+\.googleapis\.com|[A-Z][\w ]+ API)")


def explain(reply: Reply) -> Said:
    error = reply.data.get("error") if isinstance(reply.data, dict) else None
    if not isinstance(error, dict):
        # Only Google itself knows that something is not there.
        return Said(kind=Unavailable) if reply.status == 404 else Said()
    words = str(error.get("message", ""))
    reasons = [str(each.get("reason", "")) for each in _rows(error, "errors") + _rows(error, "details")]
    said = _said(reply.status, [*reasons, str(error.get("status", ""))], words)
    # The status knows better whether something may have happened.
    return replace(said, kind=None) if reply.status >= 500 and said.kind is Unavailable else said


def _said(status: int, reasons: list[str], words: str) -> Said:
    plain = [_plain(each) for each in reasons]
    if "accessnotconfigured" in plain or "servicedisabled" in plain:
        api = _API.search(words)
        remedy = f"Enable it: `gcloud services enable {_service(api.group(1) if api else '')}`"
        return Said(words=words, kind=Unauthorised, remedy=remedy)
    if status in (403, 404) and _NO_PROJECT.search(words):
        return Said(words=words, kind=Unauthorised, remedy="Correct the setting project")
    if permission := _PERMISSION.search(words):
        missing = f"the account lacks the permission {permission.group(1)} on {permission.group(2)}"
        return Said(words=missing, kind=Unauthorised, remedy="Add it to the role of the account")
    if status == 401:
        return Said(words=words, remedy="Check the credentials of the driver")
    if status == 404:
        return _not_found(words)
    if status == 400 and "pagetoken" in words.lower().replace(" ", ""):
        return Said(words=words, kind=PagesExpired)
    return Said(words=words, kind=next((_KINDS[each] for each in plain if each in _KINDS), None))


def _not_found(words: str) -> Said:
    named = _NOT_FOUND.search(words)
    what = named.group(1) if named is not None else ""
    kind = NotFound if _OURS.search(what) else NoSuchZone if _ZONE.search(what) else InvalidRequest
    remedy = "Correct the setting zones" if kind is NoSuchZone else ""
    return Said(words=words, kind=kind, remedy=remedy)


def operation_error(operation: Mapping[str, Any], what: str, zone: str) -> DriverError | None:
    """Of one that is DONE; None: it has succeeded."""
    errors = errors_of(operation)
    if not errors:
        return None
    first = errors[0]
    code, words = str(first.get("code", "")), str(first.get("message", ""))
    said = _said(int(operation.get("httpErrorStatusCode", 0) or 0), [code], words)
    kind = said.kind or (NotFound if code == "RESOURCE_NOT_FOUND" else InvalidRequest)
    if code == "RESOURCE_NOT_FOUND":
        kind = _not_found(words).kind or kind
    text = f"{PROVIDER} failed at {what}: {short(said.words or code)}"
    return of_kind(kind, sentences(text, said.remedy), zone)


def errors_of(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Empty: it has succeeded, or still runs."""
    found = operation.get("error")
    return _rows(found, "errors") if isinstance(found, dict) else []


def _plain(code: str) -> str:
    return code.replace("_", "").lower()


def _rows(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = found.get(name)
    return [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []


def _service(name: str) -> str:
    if name.endswith(".googleapis.com"):
        return name
    known = {"Compute Engine API": "compute", "Cloud Billing API": "cloudbilling"}
    return f"{known.get(name, 'cloudresourcemanager' if 'Resource Manager' in name else 'compute')}.googleapis.com"
