"""PATCH in its four forms: merge, JSON, strategic merge and server-side apply."""

from dataclasses import replace
from typing import Any

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.objects import Json, managed
from herder.testing.kubernetes.objects.patches import BadPatch, json_patched, merged
from herder.testing.kubernetes.objects.resources import Resource
from herder.testing.kubernetes.objects.stored import Key
from herder.testing.kubernetes.objects.strategic import strategic_merged
from herder.testing.kubernetes.objects.times import rfc3339

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patch(
    verbs: Verbs,
    resource: Resource,
    key: Key,
    content: Any,
    media: str,
    writing: Writing,
    *,
    force: bool = False,
) -> tuple[int, Json]:
    """The status of the answer and the object."""
    if media == APPLY:
        return _apply(verbs, resource, key, content, writing, force=force)
    held = verbs.must_get(resource, key)
    old = held.decode()
    try:
        new = _patched(resource, old, content, media)
    except BadPatch as error:
        raise answers.ApiError(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from None
    return 200, verbs.replace(resource, held, new, writing)


def _patched(resource: Resource, old: Json, content: Any, media: str) -> Json:
    if media == JSON_PATCH:
        return json_patched(old, content)
    if media not in (MERGE, STRATEGIC) or (media == STRATEGIC and not resource.strategic):
        accepted = [JSON_PATCH, MERGE, *([STRATEGIC] if resource.strategic else []), APPLY]
        raise answers.ApiError(
            415,
            "UnsupportedMediaType",
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}",
        )
    if not isinstance(content, dict):
        raise answers.bad_request("json: cannot unmarshal the patch into an object")
    found: Json = merged(old, content) if media == MERGE else strategic_merged(old, content)
    return found


def _apply(
    verbs: Verbs, resource: Resource, key: Key, content: Any, writing: Writing, *, force: bool
) -> tuple[int, Json]:
    if not isinstance(content, dict):
        raise answers.bad_request("the applied configuration is no object")
    if not writing.manager:
        text = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        raise answers.ApiError(422, "Invalid", text)
    name = (content.get("metadata") or {}).get("name", key[1])
    if name != key[1]:
        raise answers.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({key[1]})"
        )
    if (content.get("metadata") or {}).get("managedFields"):
        raise answers.bad_request("metadata.managedFields must be nil")
    held = verbs.store.get(resource, key)
    old = held.decode() if held is not None else None
    time = rfc3339(writing.now_ms)
    try:
        new = managed.applied(old, content, resource, writing.manager, time, force=force)
    except managed.ApplyConflict as error:
        raise _conflict(error) from None
    quiet = Writing(now_ms=writing.now_ms, dry_run=writing.dry_run, subresource=writing.subresource)
    fields = new["metadata"]["managedFields"] if verbs.settings.managed_fields else None
    if held is None:
        new["metadata"]["name"] = key[1]
        return 201, verbs.create(resource, key[0], new, replace(quiet, fields=fields))
    if fields is None or _same_but_time(fields, (old or {})["metadata"].get("managedFields")):
        new["metadata"]["managedFields"] = (old or {})["metadata"].get("managedFields")
    return 200, verbs.replace(resource, held, new, quiet)


def _same_but_time(one: list[Json], other: list[Json] | None) -> bool:
    def bare(entries: list[Json] | None) -> list[Json]:
        return [{key: value for key, value in each.items() if key != "time"} for each in entries or []]

    return bare(one) == bare(other)


def _conflict(error: managed.ApplyConflict) -> answers.ApiError:
    count = len(error.conflicts)
    first = error.conflicts[0]
    message = f"Apply failed with {count} conflict{'' if count == 1 else 's'}: "
    if count == 1:
        message += f"{first.whose}: {first.field}"
    else:
        for whose in dict.fromkeys(each.whose for each in error.conflicts):
            fields = [each.field for each in error.conflicts if each.whose == whose]
            message += (
                whose.replace("conflict ", "conflicts ", 1)
                + ":\n"
                + "\n".join(f"- {each}" for each in fields)
            )
    causes = [
        {"reason": "FieldManagerConflict", "message": each.whose, "field": each.field}
        for each in error.conflicts
    ]
    return answers.ApiError(409, "Conflict", message, {"causes": causes})
