"""A value against a provider's schema: JSON Schema as discovery documents, OpenAPI and Swagger use it, with every unknown property refused. Pure.

Providers ignore or refuse what they do not know; a fake must refuse it, since a misspelled property is otherwise never noticed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


class Misfit(NamedTuple):
    at: str
    """Where: `scheduling.provisioningModel`, `disks[0]`."""
    problem: str
    unknown: str = ""
    """The name of a property that the schema does not have."""

    def __str__(self) -> str:
        return f"{self.at or 'the value'}: {self.problem}"


def misfits(
    schema: Schema, value: Any, resolve: Callable[[str], Schema], at: str = "", *, open_enums: bool = False
) -> Iterator[Misfit]:
    """`resolve` gets a `$ref`. `open_enums`: values of enumerations are not compared."""
    if "$ref" in schema:
        schema = resolve(schema["$ref"])
    parts = [*schema.get("allOf", ())]
    if parts:
        schema = _joined([*parts, {name: each for name, each in schema.items() if name != "allOf"}], resolve)
    kind = schema.get("type", "object" if "properties" in schema else "any")
    wanted = _TYPES.get(kind)
    if wanted is not None and (not isinstance(value, wanted) or _boolean_as_number(kind, value)):
        yield Misfit(at, f"{value!r:.80} is no {kind}")
    elif "enum" in schema and not open_enums and value not in schema["enum"]:
        yield Misfit(at, f"{value!r:.80} is none of {', '.join(map(str, schema['enum']))}")
    elif kind == "array":
        for index, each in enumerate(value):
            yield from misfits(
                schema.get("items", {}), each, resolve, f"{at}[{index}]", open_enums=open_enums
            )
    elif kind == "object":
        yield from _of_object(schema, value, resolve, at, open_enums)


def _of_object(
    schema: Schema, value: dict[str, Any], resolve: Callable[[str], Schema], at: str, open_enums: bool
) -> Iterator[Misfit]:
    known, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield Misfit(at, f"property {name} is missing")
    for name, each in value.items():
        below = f"{at}.{name}" if at else name
        if name in known:
            yield from misfits(known[name], each, resolve, below, open_enums=open_enums)
        elif isinstance(more, dict):
            yield from misfits(more, each, resolve, below, open_enums=open_enums)
        elif more is not True:
            yield Misfit(at, f"property {name} is unknown", name)


def _joined(parts: list[Schema], resolve: Callable[[str], Schema]) -> Schema:
    """The one schema that all parts of an `allOf` are together."""
    found: dict[str, Any] = {}
    for part in parts:
        whole = resolve(part["$ref"]) if "$ref" in part else part
        whole = _joined([*whole["allOf"], {**whole, "allOf": ()}], resolve) if whole.get("allOf") else whole
        properties = {**found.get("properties", {}), **whole.get("properties", {})}
        required = [*found.get("required", ()), *whole.get("required", ())]
        found |= {name: each for name, each in whole.items() if name != "allOf"}
        found |= {"properties": properties, "required": required}
    return found


def _boolean_as_number(kind: str, value: Any) -> bool:
    return kind in ("integer", "number") and isinstance(value, bool)
