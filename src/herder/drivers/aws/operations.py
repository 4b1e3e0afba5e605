"""What AWS did with the instances of a worker: for a person who looks for a fault. Called by `driver`.

From CloudTrail, the log of the account: creations of the worker, also those that were refused, and what anybody did with its instances, some minutes late. And from EC2, at once:
the instances that it shows, with the reason of their end.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from herder.drivers.aws.errors import end_error
from herder.drivers.aws.xml import Json, part, rows
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import ProviderOperation

RUN, LOOKUP = "RunInstances", "LookupEvents"
_ENDED_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
Lookup = Callable[[], Iterable[Json]]


def operations_of(
    instances: Sequence[Json], token: str, creations: Lookup, events: Callable[[str], Iterable[Json]]
) -> list[ProviderOperation]:
    """The newest first. `token`: what the client tokens of the worker begin with. `creations` asks for the newest of the account, `events` for those of an instance.
    Where the log cannot be read, that is a row, too."""
    found: dict[str, ProviderOperation] = {}
    made: set[str] = set()
    idents = {str(each.get("instanceId", "")) for each in instances}
    failed: list[ProviderOperation] = []
    try:
        for event in creations():
            body = _body(event)
            if _text(body, "requestParameters", "clientToken").startswith(token):
                found[_id(event)] = _operation(event, body)
                made |= set(_made(body))
        for ident in sorted(idents | made):
            for event in events(ident):
                if str(event.get("ReadOnly", "")).lower() != "true":
                    found[_id(event)] = _operation(event, _body(event))
                    made |= {ident} if event.get("EventName") == RUN else set()
    except DriverError as error:
        failed.append(ProviderOperation(kind=LOOKUP, state="failed", detail=str(error)))
    seen = [
        row for each in instances for row in _of_instance(each, logged=str(each.get("instanceId")) in made)
    ]
    return [*failed, *sorted([*found.values(), *seen], key=lambda each: each.began_ms or 0, reverse=True)]


def _of_instance(instance: Json, *, logged: bool) -> Iterator[ProviderOperation]:
    ident, reason = str(instance.get("instanceId", "")), part(instance, "stateReason")
    code, words = str(reason.get("code", "")), str(reason.get("message", ""))
    state = str(part(instance, "instanceState").get("name", ""))
    began_ms = _ms(str(instance.get("launchTime", "")))
    lost = end_error(code, words) if code else None
    if not logged:
        how = "running" if state == "pending" else "failed" if lost is not None else "done"
        yield ProviderOperation(
            kind=RUN, state=how, began_ms=began_ms, detail=f"Instance {ident} is {state}."
        )
    if code:
        ends = "running" if state in ("shutting-down", "stopping") else "done"
        at = _ENDED_AT.search(str(instance.get("reason", "")))
        yield ProviderOperation(
            kind=code,
            state="failed" if lost is not None else ends,
            began_ms=_ms(f"{at[1]}+00:00") if at else None,
            detail=words,
        )


def _operation(event: Json, body: Mapping[str, Any]) -> ProviderOperation:
    error = ": ".join(filter(None, (str(body.get("errorCode") or ""), str(body.get("errorMessage") or ""))))
    at = event.get("EventTime")
    return ProviderOperation(
        kind=str(event.get("EventName", "")),
        state="failed" if error else "done",
        began_ms=round(at * 1000) if isinstance(at, int | float) else None,
        by=str(event.get("Username") or ""),
        detail=error,
    )


def _made(body: Mapping[str, Any]) -> list[str]:
    """The instances that a creation has answered with."""
    answer = body.get("responseElements")
    made = answer.get("instancesSet") if isinstance(answer, dict) else None
    return [str(each.get("instanceId", "")) for each in rows(made, "items")] if isinstance(made, dict) else []


def _body(event: Json) -> Mapping[str, Any]:
    """The whole event, which the log hands out as a text."""
    try:
        found = msgspec.json.decode(str(event.get("CloudTrailEvent") or "{}"))
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _id(event: Json) -> str:
    return str(event.get("EventId", ""))


def _text(body: Mapping[str, Any], *names: str) -> str:
    found: Any = body
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return str(found or "")


def _ms(moment: str) -> int | None:
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
