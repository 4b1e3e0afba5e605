"""Schemas of custom resources, from the definitions that their projects publish. Used by tests of manifests."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def schema_of(definition: Path) -> dict[str, Any]:
    """Of the only version that it has, with unknown fields refused, as an API server does when it is strict."""
    (version,) = YAML(typ="safe").load(definition)["spec"]["versions"]
    found: dict[str, Any] = _closed(version["schema"]["openAPIV3Schema"])
    found["properties"]["metadata"] = {"type": "object"}
    return found


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items()}
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if isinstance(made.get("pattern"), str):
        made["pattern"] = made["pattern"].replace("^(?i)", "(?i)^")  # Go allows flags anywhere
    if made.get("x-kubernetes-int-or-string"):
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
    return made
