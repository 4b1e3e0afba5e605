"""Whether a cluster can be worked with: it answers, its clock agrees, each right is there. Called by `cluster.check`; changes nothing."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import msgspec

from herder.memberships.kubernetes.access.rights import NEEDED
from herder.model.fleet.driver_capabilities import Check
from herder.model.values.phrases import sentences
from herder.ports.clock import Clock
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import ACCESS_REVIEWS, Call, Right
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.errors import unreadable
from herder.remote.kubernetes.objects import UNREADABLE

#: HTTP dates are whole seconds.
SKEW_MAX_MS = 5_000
SYNCHRONISE = "Synchronise both clocks, for example with chrony."


class _Review(msgspec.Struct):
    allowed: bool = False
    reason: str = ""


class _Answer(msgspec.Struct):
    status: _Review


async def check(connection: Connection, clock: Clock, wished: Sequence[Right] = ()) -> Sequence[Check]:
    try:
        version = await connection.version()
    except ClusterError as error:
        return (Check(name="API server", passed=False, detail=str(error)),)
    checks = [
        Check(name="API server", passed=True, detail=f"{connection.url} runs Kubernetes {version}."),
        _identity(connection),
        _clock(connection, clock),
    ]
    try:
        checks += [await _right(connection, right) for right in NEEDED]
        checks += [_wished(await _right(connection, right)) for right in wished]
    except ClusterError as error:
        checks.append(Check(name="rights", passed=False, detail=str(error)))
    return tuple(checks)


def _identity(connection: Connection) -> Check:
    """No error: on a network of its own this may be meant."""
    if not connection.unverified:
        return Check(name="certificate", passed=True)
    return Check(
        name="certificate",
        passed=True,
        detail="The API server is not identified by a certificate: whoever answers at its address gets the token.",
        remedy="Use https:// and name the certificate authority.",
    )


def _clock(connection: Connection, clock: Clock) -> Check:
    name, now_ms = "clock", clock.now_ms()
    if _date_ms(connection) is None:
        return Check(name=name, passed=True, detail="The API server does not say its time.")
    apart = clocks_apart(connection, now_ms, now_ms)
    if not apart:
        return Check(name=name, passed=True, detail="The clocks of the API server and of this server agree.")
    return Check(name=name, passed=False, detail=apart, remedy=SYNCHRONISE)


def clocks_apart(connection: Connection, asked_ms: int, answered_ms: int) -> str:
    """A sentence when the last answer was not written between these two times; empty when it was, or its time is not known."""
    theirs_ms = _date_ms(connection)
    apart_ms = 0 if theirs_ms is None else max(asked_ms - theirs_ms, theirs_ms - answered_ms)
    if apart_ms <= SKEW_MAX_MS:
        return ""
    return f"The clocks of the API server and of this server are {apart_ms // 1000:,} s apart."


def _date_ms(connection: Connection) -> int | None:
    try:
        return int(parsedate_to_datetime(connection.date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


async def _right(connection: Connection, right: Right) -> Check:
    plural, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": plural,
        **({"subresource": subresource} if subresource else {}),
    }
    call = Call(verb="create", resource=ACCESS_REVIEWS)
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await connection.call(call, body=body)
    try:
        review = msgspec.json.decode(answer, type=_Answer).status
    except UNREADABLE as error:
        raise unreadable(connection.cluster, call, str(error)) from None
    if review.allowed:
        return Check(name=str(right), passed=True)
    return Check(
        name=str(right),
        passed=False,
        detail=sentences("The right is missing", review.reason),
        remedy=f"Add the rule {right.rule} to the ClusterRole of Herder: herder cluster manifests.",
    )


def _wished(found: Check) -> Check:
    """Its lack is no fault."""
    if found.passed:
        return found
    return Check(
        name=found.name,
        passed=True,
        detail="The right is missing: the CPU and memory that nodes use are not known.",
        remedy=found.remedy,
    )
