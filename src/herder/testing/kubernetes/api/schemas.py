"""Custom resources against the schema of their definition: defaults, pruning of unknown fields, and what is wrong, in the API's words."""

import re
from typing import Any

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.stored import ENCODER

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"


def completed(value: Any, schema: Json) -> Any:
    """With defaults and without unknown fields."""
    if isinstance(value, dict) and (properties := schema.get("properties")):
        more = schema.get("additionalProperties")
        found = {}
        for key, each in value.items():
            if key in properties:
                found[key] = completed(each, properties[key])
            elif more or schema.get(PRESERVE):
                found[key] = completed(each, more) if isinstance(more, dict) else each
        for key, below in properties.items():
            if key not in found and "default" in below:
                found[key] = completed(below["default"], below)
        return found
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [completed(each, schema["items"]) for each in value]
    return value


def schema_causes(value: Any, schema: Json, path: str) -> list[Cause]:
    if value is None and schema.get("nullable"):
        return []
    if schema.get(INT_OR_STRING):
        return [] if isinstance(value, int | str) else [_type_cause(value, "integer,string", path)]
    wanted = schema.get("type")
    if wanted in TYPES and not _is(value, wanted):
        return [_type_cause(value, wanted, path)]
    causes = _limits(value, schema, path)
    if isinstance(value, dict):
        causes += _object_causes(value, schema, path)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            causes += schema_causes(each, schema.get("items") or {}, f"{path}[{index}]")
    return causes


def _is(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[wanted])


def _type_cause(value: Any, wanted: str, path: str) -> Cause:
    name = NAMES.get(type(value), "null")
    return Cause(
        field=path,
        message=f'Invalid value: "{name}": {path} in body must be of type {wanted}: "{name}"',
        reason="FieldValueTypeInvalid",
    )


def _object_causes(value: Json, schema: Json, path: str) -> list[Cause]:
    causes = [
        Cause.required(f"{path}.{key}" if path else key)
        for key in schema.get("required") or ()
        if key not in value
    ]
    for key, below in (schema.get("properties") or {}).items():
        if key in value and not (not path and key == "metadata"):
            causes += schema_causes(value[key], below, f"{path}.{key}" if path else key)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        for key in value.keys() - (schema.get("properties") or {}).keys():
            causes += schema_causes(value[key], more, f"{path}.{key}" if path else key)
    return causes


def _limits(value: Any, schema: Json, path: str) -> list[Cause]:
    texts: list[str] = []
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            texts.append(f"should be greater than or equal to {schema['minimum']}")
        if value > schema.get("maximum", value):
            texts.append(f"should be less than or equal to {schema['maximum']}")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            texts.append(f"should be at least {schema['minLength']} chars long")
        if len(value) > schema.get("maxLength", len(value)):
            texts.append(f"should be at most {schema['maxLength']} chars long")
        if schema.get("pattern") and not re.search(schema["pattern"], value):
            texts.append(f"should match '{schema['pattern']}'")
    shown = ENCODER.encode(value).decode()
    causes = [Cause(field=path, message=f"Invalid value: {shown}: {path} in body {text}") for text in texts]
    if schema.get("enum") and value not in schema["enum"]:
        causes.append(Cause.unsupported(path, str(value), tuple(str(each) for each in schema["enum"])))
    return causes
