"""Strategic merge patches: lists of objects are merged by a key, and `$patch`, `$retainKeys` and `$deleteFromPrimitiveList` are obeyed."""

from copy import deepcopy
from typing import Any

#: Merge keys of lists, by the name of the list. Others are replaced as a whole.
MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "addresses": ("type",),
    "topologySpreadConstraints": ("topologyKey",),
    "hostAliases": ("ip",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
}
#: Lists of plain values that are merged as sets.
SETS = frozenset(("finalizers",))


def strategic_merged(target: Any, patch: Any, name: str = "") -> Any:
    if isinstance(patch, dict):
        return _objects(target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list):
        if name in MERGE_KEYS and all(isinstance(each, dict) for each in patch):
            return _keyed_list(target if isinstance(target, list) else [], patch, MERGE_KEYS[name][0])
        if name in SETS:
            return list(dict.fromkeys([*(target or []), *patch]))
    return deepcopy(patch)


def _objects(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if patch.get("$patch") == "replace":
        return {key: deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    found = dict(target)
    for key, value in patch.items():
        if key == "$retainKeys":
            found = {each: kept for each, kept in found.items() if each in value}
        elif key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            found[name] = [each for each in found.get(name) or [] if each not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            found.pop(key, None)
        else:
            found[key] = strategic_merged(found.get(key), value, key)
    return found


def _keyed_list(target: list[Any], patch: list[dict[str, Any]], key: str) -> list[Any]:
    if any(each.get("$patch") == "replace" for each in patch):
        return [deepcopy(each) for each in patch if "$patch" not in each]
    found = list(target)
    for item in patch:
        index = next((at for at, each in enumerate(found) if each.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if index is not None:
                del found[index]
        elif index is None:
            found.append(strategic_merged({}, item))
        else:
            found[index] = strategic_merged(found[index], item)
    return found
