"""What Workspace Manager refuses, and what its jobs have failed with, as the errors that a driver may raise. Pure.

It answers with the words of whoever refused: its own, or those of Azure around the error of Azure's API.
"""

import re
from dataclasses import replace

import msgspec

from herder.drivers.terra.resources import ErrorReport
from herder.model.fleet.driver import DriverError, InvalidRequest, QuotaExceeded, Unauthorised, Unavailable
from herder.model.values.phrases import sentences
from herder.remote.azure.errors import said_in
from herder.remote.clouds.errors import Reply, Said, of_kind, short
from herder.remote.clouds.records import present

PROVIDER = "Terra"
_ROLE = "Give the account the role WRITER in the workspace"
_ACTION = re.compile(r"not authorized to perform action (\w+) on (\S+) ([-\w]+)")
_NO_WORKSPACE = re.compile(r"Workspace (\S+ not found|not found: \S+)")
_STATUS: dict[int, type[DriverError]] = {400: InvalidRequest, 401: Unauthorised, 403: Unauthorised}
_QUOTA = "Ask for a higher quota of the workspace's Azure subscription, or lower max_workers"
_PLACE = "Check the setting url"
_REMEDIES = {401: "Check the credentials of the driver", 403: _ROLE}


def explain(reply: Reply) -> Said:
    try:
        report = msgspec.convert(present(reply.data), ErrorReport)
    except msgspec.ValidationError:
        report = ErrorReport()
    said = _said(report)
    if reply.status == 404 and report.statusCode != 404:
        # Of somebody between: never a machine that is missing.
        return replace(said, kind=Unavailable, remedy=_PLACE)
    if reply.status == 404 and _NO_WORKSPACE.search(report.message):
        # Nothing can be seen there: never a machine that is missing.
        return replace(said, kind=Unauthorised, remedy="Correct the setting workspace")
    return said if said.remedy else replace(said, remedy=_REMEDIES.get(reply.status, ""))


def job_error(report: ErrorReport, what: str) -> DriverError:
    """Of a job that has failed."""
    said = said_in(_words(report)) or _said(report)
    kind = said.kind or _STATUS.get(report.statusCode, Unavailable)
    words = short(said.words) or "it does not say why"
    remedy = _QUOTA if issubclass(kind, QuotaExceeded) else said.remedy
    return of_kind(kind, sentences(f"{PROVIDER} failed at {what}: {words}", remedy))


def _said(report: ErrorReport) -> Said:
    words = _words(report)
    if denied := _ACTION.search(words):
        missing = f"the account may not perform action {denied[1]} on {denied[2]} {denied[3]}"
        return Said(words=missing, kind=Unauthorised, remedy=_ROLE)
    return Said(words=words)


def _words(report: ErrorReport) -> str:
    return ". ".join(filter(None, (report.message, *report.causes)))
