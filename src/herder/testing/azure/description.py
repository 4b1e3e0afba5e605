"""Azure's own descriptions of its APIs: which operation a request is, and what in it, or in an answer, the description does not have."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from herder.testing.fakes.schemas import Misfit, misfits

FOLDER = Path(__file__).with_name("descriptions")
_PAGES = frozenset({"$skiptoken"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    name: str
    """`VirtualMachines_CreateOrUpdate`"""
    verb: str
    pattern: re.Pattern[str]
    version: str
    described: Mapping[str, Any]
    definitions: Mapping[str, Any]

    def parameter_misfits(self, query: Mapping[str, str]) -> Iterator[Misfit]:
        known = {each["name"]: each for each in self.described["parameters"] if each["in"] == "query"}
        for name, value in query.items():
            if name not in known and name not in _PAGES:
                yield Misfit(name, "parameter is unknown", name)
            elif known.get(name, {}).get("type") == "boolean" and value not in ("true", "false"):
                yield Misfit(name, f"{value!r:.80} is no boolean")
            elif value not in known.get(name, {}).get("enum", (value,)):
                yield Misfit(name, f"{value!r:.80} is none of {', '.join(known[name]['enum'])}")

    def request_misfits(self, body: Any) -> list[Misfit]:
        schema = next((each["schema"] for each in self.described["parameters"] if each["in"] == "body"), None)
        return self._misfits(schema, body)

    def answer_misfits(self, status: int, body: Any) -> list[Misfit]:
        if str(status) not in self.described["responses"]:
            return [Misfit("", f"status {status} is not described")]
        return self._misfits(self.described["responses"][str(status)], body)

    def _misfits(self, schema: Mapping[str, Any] | None, body: Any) -> list[Misfit]:
        if schema is None:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return list(misfits(schema, body, lambda ref: self.definitions[ref.rpartition("/")[2]]))


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(
        Operation(
            name=name,
            verb=described["verb"],
            # Azure compares paths without case.
            pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", described["path"]), re.IGNORECASE),
            version=document["version"],
            described=described,
            definitions=document["definitions"],
        )
        for document in (
            json.loads(gzip.decompress(path.read_bytes())) for path in sorted(FOLDER.glob("*.json.gz"))
        )
        for name, described in document["operations"].items()
    )


def operation_of(verb: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """And the names in the path."""
    for each in operations():
        found = each.pattern.fullmatch(path) if each.verb == verb else None
        if found is not None:
            return each, {name: unquote(value) for name, value in found.groupdict().items()}
    return None
