"""Merge patches (RFC 7386) and JSON patches (RFC 6902) of objects."""

from copy import deepcopy
from typing import Any

from herder.testing.kubernetes.objects import Json


class BadPatch(ValueError):
    """The patch cannot be applied. The text is for the answer."""


def merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return deepcopy(patch)
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise BadPatch(f"invalid JSON pointer {pointer!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _index(step: str, length: int, *, adding: bool = False) -> int:
    if adding and step == "-":
        return length
    if not step.isdigit() or int(step) >= length + adding:
        raise BadPatch(f"error in index for path: unable to access invalid index: {step}")
    return int(step)


def _find(doc: Any, steps: list[str], pointer: str) -> Any:
    for step in steps:
        if isinstance(doc, list):
            doc = doc[_index(step, len(doc))]
        elif isinstance(doc, dict) and step in doc:
            doc = doc[step]
        else:
            raise BadPatch(f"the path {pointer!r} does not exist: missing value")
    return doc


def _add(doc: Any, steps: list[str], pointer: str, value: Any) -> Any:
    if not steps:
        return value
    parent = _find(doc, steps[:-1], pointer)
    if isinstance(parent, list):
        parent.insert(_index(steps[-1], len(parent), adding=True), value)
    elif isinstance(parent, dict):
        parent[steps[-1]] = value
    else:
        raise BadPatch(f"add operation does not apply: doc is missing path: {pointer!r}: missing value")
    return doc


def _remove(doc: Any, steps: list[str], pointer: str) -> Any:
    if not steps:
        raise BadPatch("the whole object cannot be removed")
    _find(doc, steps, pointer)
    parent = _find(doc, steps[:-1], pointer)
    if isinstance(parent, list):
        del parent[_index(steps[-1], len(parent))]
    else:
        del parent[steps[-1]]
    return doc


def _one(doc: Any, operation: Json) -> Any:
    name, pointer = operation.get("op"), operation.get("path", "")
    steps = _steps(pointer)
    if name == "add":
        return _add(doc, steps, pointer, deepcopy(operation.get("value")))
    if name == "remove":
        return _remove(doc, steps, pointer)
    if name == "replace":
        if steps:
            _remove(doc, steps, pointer)
        return _add(doc, steps, pointer, deepcopy(operation.get("value")))
    if name == "test":
        if _find(doc, steps, pointer) != operation.get("value"):
            raise BadPatch(f"testing path {pointer} failed: test failed")
        return doc
    if name in ("move", "copy"):
        value = deepcopy(_find(doc, _steps(operation["from"]), operation["from"]))
        if name == "move":
            doc = _remove(doc, _steps(operation["from"]), operation["from"])
        return _add(doc, steps, pointer, value)
    raise BadPatch(f"Unexpected kind: {name}")


def json_patched(doc: Json, operations: Any) -> Json:
    """Raises BadPatch."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise BadPatch("a JSON patch is a list of operations")
    found: Any = deepcopy(doc)
    for operation in operations:
        found = _one(found, operation)
    if not isinstance(found, dict):
        raise BadPatch("the patch leaves no object")
    return found
