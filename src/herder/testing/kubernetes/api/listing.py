"""Lists: selection, pages that belong to one version, and the three forms they are asked for in."""

import base64
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import Answer, ApiError
from herder.testing.kubernetes.api.tables import table
from herder.testing.kubernetes.api.watches import Scope
from herder.testing.kubernetes.objects.resources import PODS
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.objects.stored import ENCODER, Stored

OLD_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How objects are to be shown."""

    table: bool = False
    metadata_only: bool = False

    @classmethod
    def of(cls, accept: str) -> "Form":
        first = accept.split(",", maxsplit=1)[0].replace(" ", "")
        return cls(table="as=Table" in first, metadata_only="as=PartialObjectMetadata" in first)


def integer(query: Mapping[str, str], name: str) -> int:
    """0 when it is not given. Raises ApiError."""
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isdigit():
        raise answers.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def version_of(query: Mapping[str, str]) -> int:
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        message = f'resourceVersion: Invalid value: "{text}": invalid resource version'
        raise ApiError(400, "BadRequest", message)
    return int(text or 0)


def _token(version: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        found = json.loads(base64.b64decode(token + "=" * (-len(token) % 4)))
        return int(found["rv"]), str(found["start"])
    except (ValueError, KeyError, TypeError):
        raise answers.bad_request("continue key is not valid") from None


def _place(stored: Stored, scope: Scope) -> str:
    namespace, name = stored.key
    return f"/{name}" if scope.namespace or not namespace else f"/{namespace}/{name}"


def _key(start: str, scope: Scope) -> tuple[str, str]:
    """Where a page starts, in the order of lists."""
    first, slash, last = start[1:].partition("/")
    return (first, last) if slash else (scope.namespace, first)


def selected(store: Store, scope: Scope) -> Iterable[Stored]:
    """By the index of nodes where a field selector allows it."""
    node = scope.fields.equal_to("spec.nodeName")
    if scope.resource is PODS and node:
        found: Iterable[Stored] = sorted(store.pods_on(PODS, node), key=lambda stored: stored.key)
    else:
        found = store.all(scope.resource, scope.namespace)
    if scope.everything:
        return found
    return (stored for stored in found if scope.holds(stored))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    objects: list[Stored]
    version: int
    token: str = ""
    remaining: int = 0


def _exact(store: Store, scope: Scope, version: int) -> Page:
    if version != store.version:
        kept = store.kept_snapshot(scope.resource, version)
        if kept is None:
            raise answers.expired(f"The provided resource version is too old: {version}")
        return Page(objects=[each for each in kept if scope.holds(each)], version=version)
    return Page(objects=list(selected(store, scope)), version=version)


def page_of(store: Store, scope: Scope, query: Mapping[str, str]) -> Page:
    """Raises ApiError."""
    limit, version = integer(query, "limit"), version_of(query)
    token = query.get("continue", "")
    if version > store.version:
        raise answers.version_too_large(version, store.version)
    if token:
        version, start = _read_token(token)
        kept = store.kept_snapshot(scope.resource, version)
        if kept is None:
            fresh = _token(store.version, start)
            raise answers.expired(OLD_CONTINUE, continue_token=fresh)
        first = bisect_left(kept, _key(start, scope), key=lambda stored: stored.key)
        return _cut(_first(kept, first, scope, limit), scope, version, limit)
    if query.get("resourceVersionMatch") == "Exact":
        return _exact(store, scope, version)
    if not limit:
        return Page(objects=list(selected(store, scope)), version=store.version)
    held = _first(store.snapshot(scope.resource), 0, scope, limit)
    return _cut(held, scope, store.version, limit)


def _first(kept: list[Stored], first: int, scope: Scope, limit: int) -> list[Stored]:
    """Those of a page and one more. All of them where the rest has to be counted: without selectors."""
    held = (each for each in islice(kept, first, None) if scope.holds(each))
    counted = not limit or (scope.labels.empty and scope.fields.empty)
    return list(held if counted else islice(held, limit + 1))


def _cut(objects: list[Stored], scope: Scope, version: int, limit: int) -> Page:
    if not limit or len(objects) <= limit:
        return Page(objects=objects, version=version)
    token = _token(version, _place(objects[limit - 1], scope) + "\0")
    remaining = len(objects) - limit if scope.labels.empty and scope.fields.empty else 0
    return Page(objects=objects[:limit], version=version, token=token, remaining=remaining)


def list_answer(store: Store, scope: Scope, query: Mapping[str, str], form: Form, now_ms: int) -> Answer:
    page = page_of(store, scope, query)
    metadata: dict[str, object] = {"resourceVersion": str(page.version)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining:
        metadata["remainingItemCount"] = page.remaining
    if form.table:
        return Answer.of(200, table(scope.resource, page.objects, metadata, now_ms))
    if form.metadata_only:
        head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":'
        bodies = (stored.metadata_only() for stored in page.objects)
    else:
        resource = scope.resource
        head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":'.encode()
        bodies = (stored.body for stored in page.objects)
    body = head + ENCODER.encode(metadata) + b',"items":[' + b",".join(bodies) + b"]}"
    return Answer(status=200, body=body)
