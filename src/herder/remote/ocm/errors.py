"""What OCM and Red Hat's single sign-on refuse, as errors that a driver may raise, and the warnings of OCM's answers. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from herder.model.fleet.driver import AlreadyExists, InvalidRequest, QuotaExceeded, RateLimited, Unauthorised
from herder.remote.clouds.errors import Reply, Said, short

PROVIDER = "OpenShift Cluster Manager"
SSO = "Red Hat single sign-on"
_TERMS = "CLUSTERS-MGMT-451"
#: The form of RFC 9110: code, agent, quoted text.
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


def explain(reply: Reply) -> Said:
    body: Mapping[str, Any] = reply.data if isinstance(reply.data, Mapping) else {}
    code, reason = str(body.get("code", "")), str(body.get("reason", ""))
    words = f"{code}: {reason}" if code and reason else code or reason
    if operation := body.get("operation_id"):
        words = f"{short(words)} (operation {operation})"
    plain = reason.lower()
    if reply.status == 451 or code == _TERMS:
        remedy = "Accept Red Hat's terms: log in at https://console.redhat.com with the account of these credentials"
        return Said(words=words, kind=Unauthorised, remedy=remedy)
    if reply.status == 401:
        return Said(words=words, remedy="Check the credentials of OCM")
    if reply.status == 403 and "delete protection" in plain:
        return Said(words=words, kind=InvalidRequest, remedy="Turn off the cluster's delete protection")
    if reply.status in (400, 403) and "quota" in plain:
        return Said(words=words, kind=QuotaExceeded)
    if reply.status == 403:
        return Said(words=words, remedy="Give the account a role that may edit the cluster's machine pools")
    if reply.status == 400 and "already exists" in plain:
        return Said(words=words, kind=AlreadyExists)
    return Said(words=words)


def explain_sso(reply: Reply) -> Said:
    body: Mapping[str, Any] = reply.data if isinstance(reply.data, Mapping) else {}
    words = str(body.get("error_description") or body.get("error") or "")
    if reply.status in (400, 401, 403):
        remedy = "Create a new secret of the service account, or a new offline token, at https://console.redhat.com"
        return Said(words=words, kind=Unauthorised, remedy=remedy)
    return Said(words=words, kind=RateLimited if reply.status == 429 else None)


def warnings_in(reply: Reply) -> tuple[str, ...]:
    """Of the `Warning` headers, without their numbers."""
    text = reply.headers.get("warning", "").strip()
    quoted = [re.sub(r"\\(.)", r"\1", each) for each in _WARNING.findall(text)]
    return tuple(short(each) for each in quoted or [text] if each)
