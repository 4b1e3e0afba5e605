"""Google's own description of its APIs: which method a request calls, and what in it, or in an answer, the description does not have."""

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
APIS = ("compute_v1", "cloudbilling_v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    name: str
    """`compute.instances.insert`"""
    verb: str
    pattern: re.Pattern[str]
    described: Mapping[str, Any]
    document: Mapping[str, Any]

    def unknown_parameters(self, query: Mapping[str, str]) -> Iterator[Misfit]:
        known = {**self.document["parameters"], **self.described["parameters"]}
        for name, value in query.items():
            if name not in known:
                yield Misfit(name, "parameter is unknown", name)
            elif not _fits(known[name], value):
                yield Misfit(name, f"{value!r:.80} is no {known[name].get('type')}")

    def request_misfits(self, body: Any) -> list[Misfit]:
        return self._misfits("request", body)

    def answer_misfits(self, body: Any) -> list[Misfit]:
        return self._misfits("response", body)

    def _misfits(self, which: str, body: Any) -> list[Misfit]:
        schema = self.described.get(which)
        if schema is None:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return list(misfits(schema, body, self.document["schemas"].__getitem__))


def _fits(schema: Mapping[str, Any], value: str) -> bool:
    kind = schema.get("type")
    if kind == "integer":
        number = re.fullmatch(r"-?[0-9]+", value)
        low, high = (int(schema.get(name, value)) for name in ("minimum", "maximum")) if number else (1, 0)
        return number is not None and low <= int(value) <= high
    if kind == "boolean":
        return value in ("true", "false")
    return "enum" not in schema or value in schema["enum"]


@cache
def methods() -> tuple[Method, ...]:
    return tuple(
        Method(
            name=name,
            verb=described["httpMethod"],
            pattern=re.compile(
                f"/{document['servicePath']}" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", described["flatPath"])
            ),
            described=described,
            document=document,
        )
        for document in map(_read, APIS)
        for name, described in document["methods"].items()
    )


def _read(api: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(gzip.decompress((FOLDER / f"{api}.json.gz").read_bytes()))
    return found


def method_of(verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """And the names in the path."""
    for method in methods():
        found = method.pattern.fullmatch(path) if method.verb == verb else None
        if found is not None:
            return method, {name: unquote(value) for name, value in found.groupdict().items()}
    return None
