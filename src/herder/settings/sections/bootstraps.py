"""The section `bootstraps:` of herder.yaml: what makes machines join. Read by `load`.

The settings of a kind stand beside `kind`; only the kind knows them, and `lint` asks it (`bootstrap_faults`). Secrets do not belong in
these files: a setting names the file in which one is.
"""

from typing import Any

from herder.model.fleet.bootstrap import BootstrapSettings
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Listing, Scalar, Table, Value

SECTION = "bootstraps"
#: Of one setting that is a list.
ITEMS_MAX = 1_000


def read_bootstrap(found: Reading, entry: Entry, table: Table) -> BootstrapSettings:
    kind = table.get("kind")
    return BootstrapSettings(
        name=entry.name,
        kind=entry.name if kind is None else validation.name(found, kind),
        settings=tuple(
            (each.name, _read(found, each.value))
            for each in table.entries
            if each.name not in ("kind", "name")
        ),
    )


def _read(found: Reading, value: Value) -> str | tuple[str, ...]:
    if isinstance(value, Scalar):
        return value.text or ""
    if not isinstance(value, Listing):
        found.wrong(value, "Expected plain text or a list.", "Write one value, or a list of values.")
        return ""
    if len(value.items) > ITEMS_MAX:
        found.wrong(
            value, f"There are {len(value.items):,} values, more than {ITEMS_MAX:,}.", "Write fewer values."
        )
    return tuple(validation.text(found, each) for each in value.items[:ITEMS_MAX])


def write_bootstrap(bootstrap: BootstrapSettings) -> dict[str, Any]:
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in bootstrap.settings}
    return {"kind": bootstrap.kind, **plain}


def bootstrap_schema() -> dict[str, Any]:
    """Which other settings there are, the kind knows."""
    text = {"type": "string"}
    one = {"type": ["string", "number", "boolean"]}
    return {
        "type": "object",
        "properties": {
            "name": text,
            "kind": {
                **text,
                "description": "Which kind of bootstrap it is. Default: its name. The settings of the kind are written beside it.",
            },
        },
        "additionalProperties": {"anyOf": [one, {"type": "array", "items": one, "maxItems": ITEMS_MAX}]},
    }
