"""A machine configuration as a Talos machine reads it: its documents, and what it refuses. Called by `machine`."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from herder.remote.talos.errors import Refused

_NOT_IN_KUBELET = ("nodeLabels", "registerWithTaints", "nodeTaints")


def documents_of(data: bytes) -> list[dict[str, Any]]:
    """Raises Refused, as Talos does for what is no configuration."""
    try:
        found = [each for each in YAML(typ="safe", pure=True).load_all(io.BytesIO(data)) if each]
    except YAMLError as error:
        words = getattr(error, "problem", None) or "not YAML"
        raise Refused("INVALID_ARGUMENT", f"failed to parse config: {words}") from None
    if not all(isinstance(each, dict) for each in found):
        raise Refused("INVALID_ARGUMENT", "failed to parse config: not a mapping")
    if not any("machine" in each for each in found):
        raise Refused("INVALID_ARGUMENT", "the applied machine configuration doesn't contain v1alpha1 config")
    kubelet = _machine(found).get("kubelet") or {}
    wrong = [key for key in _NOT_IN_KUBELET if key in kubelet]
    if wrong:
        raise Refused("INVALID_ARGUMENT", f"unknown keys found during decoding: machine.kubelet.{wrong[0]}")
    return found


def hostname_in(documents: list[dict[str, Any]]) -> str:
    for document in documents:
        if document.get("kind") == "HostnameConfig" and document.get("hostname"):
            return str(document["hostname"])
    return str((_machine(documents).get("network") or {}).get("hostname") or "")


def labels_in(documents: list[dict[str, Any]]) -> dict[str, str]:
    return dict(_machine(documents).get("nodeLabels") or {})


def taints_in(documents: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Those that kubelet registers with."""
    kubelet = _machine(documents).get("kubelet") or {}
    return list((kubelet.get("extraConfig") or {}).get("registerWithTaints") or [])


def _machine(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return next((each["machine"] or {} for each in documents if "machine" in each), {})
