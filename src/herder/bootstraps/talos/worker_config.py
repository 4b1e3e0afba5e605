"""The machine configuration of one worker: the operator's base, merged with what differs. Pure: text in, text out; called by `bootstrap`.

The base holds the secrets of a cluster. No part of it may appear in an error: errors name keys and lines only. Nothing is appended to its
text, since a key that is there twice makes Talos refuse it.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import Taint

Json = dict[str, Any]
HOSTNAME_KIND = "HostnameConfig"
_REMEDY = "Create it with `talosctl gen config --output-types worker`."
#: Keys of older documents that Talos does not have.
_WRONG = {
    "nodeLabels": "machine.nodeLabels",
    "nodeTaints": "machine.kubelet.extraConfig.registerWithTaints",
    "registerWithTaints": "machine.kubelet.extraConfig.registerWithTaints",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The documents of the file, as data. A secret as a whole."""

    documents: tuple[Json, ...] = field(repr=False)
    fingerprint: str
    """A hash of all of it. It cannot be traced back: the keys in it, which nobody can guess, are part of what is hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What one worker has of its own."""

    hostname: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    kubelet_args: Mapping[str, str] = field(default_factory=dict)
    install_image: str = ""


def read_base(data: bytes) -> Base:
    """Raises InvalidRequest."""
    try:
        found = list(_yaml().load_all(data.decode()))
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1:,}" if mark is not None else ""
        doubled = "duplicate key" in str(getattr(error, "problem", ""))
        what = "has a key twice" if doubled else "is not valid YAML"
        raise InvalidRequest(f"The base configuration {what}{where}. Correct the file.") from None
    documents = [each for each in found if each is not None]
    if not all(isinstance(each, dict) for each in documents):
        raise InvalidRequest("A document of the base configuration is not a mapping. Name the right file.")
    mains = [each for each in documents if "machine" in each]
    if len(mains) != 1:
        raise InvalidRequest(
            f"The base configuration needs exactly one document with the key machine. {_REMEDY}"
        )
    _check(mains[0])
    text = "".join(_written(each) for each in documents)
    return Base(documents=tuple(documents), fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16])


def worker_config(base: Base, differences: Differences) -> str:
    """All documents, with the differences merged in. Lists of the base stay; ours are added to them."""
    named = any(each.get("kind") == HOSTNAME_KIND for each in base.documents)
    found = []
    for document in base.documents:
        if "machine" in document:
            found.append(_merged(document, _changes(differences, named=named)))
        elif document.get("kind") == HOSTNAME_KIND:
            rest = {key: value for key, value in document.items() if key not in ("auto", "hostname")}
            found.append({**rest, "hostname": differences.hostname})
        else:
            found.append(document)
    return "---\n".join(_written(each) for each in found)


def _changes(differences: Differences, *, named: bool) -> Json:
    machine: Json = {}
    if not named:  # Talos refuses a hostname in both places
        machine["network"] = {"hostname": differences.hostname}
    if differences.labels:
        machine["nodeLabels"] = dict(differences.labels)
    kubelet: Json = {}
    if differences.kubelet_args:
        kubelet["extraArgs"] = dict(differences.kubelet_args)
    if differences.taints:
        # Not machine.nodeTaints: Talos would set a taint again that was removed, which NodeRestriction refuses, and its labels with it.
        kubelet["extraConfig"] = {"registerWithTaints": [_taint(each) for each in sorted(differences.taints)]}
    if kubelet:
        machine["kubelet"] = kubelet
    if differences.install_image:
        machine["install"] = {"image": differences.install_image}
    return {"machine": machine}


def _taint(taint: Taint) -> Json:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, **value, "effect": str(taint.effect)}


def _merged(base: Json, changes: Json) -> Json:
    found = dict(base)
    for key, value in changes.items():
        before = found.get(key)
        if isinstance(value, dict):
            found[key] = _merged(before if isinstance(before, dict) else {}, value)
        elif isinstance(value, list) and isinstance(before, list):
            ours = [_identity(each) for each in value]
            found[key] = [each for each in before if _identity(each) not in ours] + value
        else:
            found[key] = value
    return found


def _identity(taint: object) -> object:
    return (taint.get("key"), taint.get("effect")) if isinstance(taint, dict) else taint


def _check(document: Json) -> None:
    machine = document["machine"]
    if not isinstance(machine, dict):
        raise InvalidRequest("The key machine of the base configuration is not a mapping. Correct the file.")
    if machine.get("type") not in (None, "worker"):
        raise InvalidRequest(f"The base configuration is not that of a worker (machine.type). {_REMEDY}")
    kubelet = machine.get("kubelet")
    for key, right in _WRONG.items():
        if isinstance(kubelet, dict) and key in kubelet:
            raise InvalidRequest(
                f"Talos has no key machine.kubelet.{key}, which is in the base configuration. Write it as {right}."
            )
    cluster = document.get("cluster")
    control_plane = cluster.get("controlPlane") if isinstance(cluster, dict) else None
    for name, there in (
        ("machine.token", machine.get("token")),
        ("machine.ca", machine.get("ca")),
        ("cluster.controlPlane", control_plane),
    ):
        if not there:
            raise InvalidRequest(
                f"The base configuration has no {name}, without which no machine joins. {_REMEDY}"
            )


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 2**20  # no folding: a long key stays one line
    return yaml


def _written(document: Json) -> str:
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()
