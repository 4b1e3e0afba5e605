"""Who set which field (metadata.managedFields), and server-side apply with its conflicts.

A field is a path of steps as managedFields writes them: `f:spec`, `k:{"name":"c"}` for an item of a keyed list, `v:"x"` for one of a set.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import Resource
from herder.testing.kubernetes.objects.strategic import MERGE_KEYS, SETS

Path = tuple[str, ...]
#: Fields of metadata that people set. All others are the server's.
META = ("labels", "annotations", "ownerReferences", "finalizers")
ITEM = "."
"""The last step of a path that means the item of a list itself."""


@dataclass(frozen=True, slots=True)
class Conflict:
    manager: str
    operation: str
    api_version: str
    path: Path

    @property
    def whose(self) -> str:
        using = f" using {self.api_version}" if self.operation == "Update" else ""
        return f'conflict with "{self.manager}"{using}'

    @property
    def field(self) -> str:
        shown = ""
        for step in self.path:
            kind, _, rest = step.partition(":")
            if kind == "f":
                shown += f".{rest}"
            elif kind == "k":
                shown += (
                    "["
                    + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items())
                    + "]"
                )
            elif kind == "v":
                shown += f"[={rest}]"
        return shown


class ApplyConflict(Exception):
    """Others own fields that are to change."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        super().__init__("conflicts")
        self.conflicts = conflicts


# --- paths


def _item_step(item: Json, keys: tuple[str, ...]) -> str:
    return "k:" + json.dumps({key: item.get(key) for key in keys}, separators=(",", ":"))


def _walk(value: Any, name: str, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            _walk(each, key, (*path, f"f:{key}"), found)
    elif isinstance(value, list) and name in MERGE_KEYS and all(isinstance(each, dict) for each in value):
        for item in value:
            step = (*path, _item_step(item, MERGE_KEYS[name]))
            found[(*step, ITEM)] = None
            _walk(item, "", step, found)
    elif isinstance(value, list) and name in SETS:
        for item in value:
            found[(*path, f"v:{json.dumps(item)}")] = None
    else:
        found[path] = value


def leaves(obj: Json) -> dict[Path, Any]:
    """Every field that can be owned, and its value."""
    found: dict[Path, Any] = {}
    for key, value in obj.items():
        if key in ("kind", "apiVersion"):
            continue
        if key == "metadata":
            given = {name: value[name] for name in META if value.get(name)}
            if given:
                _walk(given, key, (f"f:{key}",), found)
        else:
            _walk(value, key, (f"f:{key}",), found)
    return found


def _tree(paths: Iterable[Path]) -> Json:
    root: Json = {}
    for path in sorted(paths):
        at = root
        for step in path:
            at = at.setdefault(step, {})
    return root


def _paths(tree: Json, path: Path = ()) -> set[Path]:
    if not tree:
        return {path} if path else set()
    found: set[Path] = set()
    for step, below in tree.items():
        found |= _paths(below, (*path, step))
    return found


# --- entries


def _entry(
    resource: Resource, manager: str, operation: str, subresource: str, time: str, paths: Iterable[Path]
) -> Json:
    found: Json = {
        "manager": manager,
        "operation": operation,
        "apiVersion": resource.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _tree(paths),
    }
    return found | ({"subresource": subresource} if subresource else {})


def _same(entry: Json, manager: str, operation: str, subresource: str) -> bool:
    held = (entry["manager"], entry["operation"], entry.get("subresource", ""))
    return held == (manager, operation, subresource)


def _without(entries: list[Json], gone: set[Path], kept: Json | None) -> list[Json]:
    """Nobody but the entry that is kept owns these any more."""
    found = []
    for entry in entries:
        paths = _paths(entry["fieldsV1"])
        if entry is kept or not paths & gone:
            found.append(entry)
        elif rest := paths - gone:
            found.append({**entry, "fieldsV1": _tree(rest)})
    return found


def _writable(obj: Json | None, resource: Resource, subresource: str) -> dict[Path, Any]:
    """What this kind of write can change: the status only by its subresource."""
    found = leaves(obj) if obj is not None else {}
    if not resource.status:
        return found
    return {
        path: value for path, value in found.items() if (path[0] == "f:status") is (subresource == "status")
    }


def written(
    old: Json | None, new: Json, resource: Resource, manager: str, operation: str, subresource: str, time: str
) -> None:
    """Note in `new` that this manager set what differs."""
    before, after = _writable(old, resource, subresource), _writable(new, resource, subresource)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = set(before) - set(after)
    entries: list[Json] = list(new["metadata"].get("managedFields") or [])
    if not changed and not gone:
        return
    own = next((each for each in entries if _same(each, manager, operation, subresource)), None)
    entries = _without(entries, changed | gone, own)
    paths = ((_paths(own["fieldsV1"]) if own else set()) | changed) - gone
    fresh = _entry(resource, manager, operation, subresource, time, paths)
    entries = [each for each in entries if each is not own]
    if paths:
        entries.append(fresh)
    new["metadata"]["managedFields"] = entries


# --- server-side apply


def _merge(held: Any, applied: Any, name: str) -> Any:
    if isinstance(applied, dict):
        found = dict(held) if isinstance(held, dict) else {}
        for key, value in applied.items():
            if value is not None:
                found[key] = _merge(found.get(key), value, key)
        return found
    if isinstance(applied, list) and name in MERGE_KEYS:
        return _merge_items(list(held or []), applied, MERGE_KEYS[name])
    if isinstance(applied, list) and name in SETS:
        return list(dict.fromkeys([*(held or []), *applied]))
    return deepcopy(applied)


def _merge_items(held: list[Any], applied: list[Any], keys: tuple[str, ...]) -> list[Any]:
    for item in applied:
        step = _item_step(item, keys)
        index = next((at for at, each in enumerate(held) if _item_step(each, keys) == step), None)
        if index is None:
            held.append(_merge({}, item, ""))
        else:
            held[index] = _merge(held[index], item, "")
    return held


def _drop(obj: Any, path: Path) -> None:
    """Take the field at this path out, and what is empty then."""
    step, rest = path[0], path[1:]
    kind, _, name = step.partition(":")
    if kind == "f" and isinstance(obj, dict) and name in obj:
        if rest:
            _drop(obj[name], rest)
        if not rest or obj[name] in ({}, []):
            del obj[name]
    elif kind == "k" and isinstance(obj, list):
        keys = json.loads(name)
        for item in [each for each in obj if all(each.get(key) == value for key, value in keys.items())]:
            if rest == (ITEM,):
                obj.remove(item)
            elif rest:
                _drop(item, rest)
    elif kind == "v" and isinstance(obj, list):
        value = json.loads(name)
        if value in obj:
            obj.remove(value)


def applied(
    old: Json | None, patch: Json, resource: Resource, manager: str, time: str, *, force: bool
) -> Json:
    """What the object is after this manager applied `patch`. Raises ApplyConflict."""
    live = leaves(old) if old is not None else {}
    wanted = leaves(patch)
    entries: list[Json] = list((old or {"metadata": {}})["metadata"].get("managedFields") or [])
    own = next((each for each in entries if _same(each, manager, "Apply", "")), None)
    conflicts = [
        Conflict(entry["manager"], entry["operation"], entry["apiVersion"], path)
        for entry in entries
        if entry is not own
        for path in sorted(_paths(entry["fieldsV1"]) & set(wanted))
        if live.get(path) != wanted[path]
    ]
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    entries = _without(entries, {each.path for each in conflicts}, own)
    others: set[Path] = set()
    for entry in entries:
        if entry is not own:
            others |= _paths(entry["fieldsV1"])
    new: Json = deepcopy(old) if old is not None else {"metadata": {}}
    given = {key: value for key, value in patch.items() if key not in ("kind", "apiVersion")}
    metadata = {
        key: value
        for key, value in (given.get("metadata") or {}).items()
        if key in (*META, "name", "namespace", "resourceVersion", "uid")
    }
    new = _merge(new, {**given, "metadata": metadata}, "")
    had = _paths(own["fieldsV1"]) if own else set()
    for path in sorted(had - set(wanted) - others, key=lambda each: (-len(each), each)):
        _drop(new, path)
    entries = [each for each in entries if each is not own]
    entries.append(_entry(resource, manager, "Apply", "", time, wanted))
    new["metadata"]["managedFields"] = entries
    return new
