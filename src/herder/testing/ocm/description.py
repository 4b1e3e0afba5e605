"""Red Hat's own description of OCM's API: which method a request calls, and what in it, or in an answer, the description does not have."""

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

FILE = Path(__file__).with_name("descriptions") / "clusters_mgmt_v1.json.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    name: str
    """`get /clusters/{cluster_id}`: the path below that of the API."""
    verb: str
    pattern: re.Pattern[str]
    described: Mapping[str, Any]

    def unknown_parameters(self, query: Mapping[str, str]) -> Iterator[Misfit]:
        known = {
            each["name"]: each["schema"] for each in self.described["parameters"] if each["in"] == "query"
        }
        for name, value in query.items():
            if name not in known:
                yield Misfit(name, "parameter is unknown", name)
            elif known[name].get("type") == "integer" and not re.fullmatch(r"[0-9]+", value):
                yield Misfit(name, f"{value!r:.80} is no integer")

    def request_misfits(self, body: Any) -> list[Misfit]:
        content = self.described.get("requestBody")
        if content is None:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return _found(content, body)

    def answer_misfits(self, status: int, body: Any) -> list[Misfit]:
        answers = self.described["responses"]
        if str(status) not in answers:
            return error_misfits(body) if status >= 400 else [Misfit("", f"status {status} is not described")]
        if "content" not in answers[str(status)]:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return _found(answers[str(status)], body)


def _found(content: Mapping[str, Any], body: Any) -> list[Misfit]:
    return list(misfits(content["content"]["application/json"]["schema"], body, _schema))


def error_misfits(body: Any) -> list[Misfit]:
    """The description has an integer for the id, no time and no id of the operation; every answer of OCM has texts."""
    described = _document()["components"]["schemas"]["Error"]
    text = {"type": "string"}
    properties = {**described["properties"], "id": text, "operation_id": text, "timestamp": text}
    return list(misfits({**described, "properties": properties}, body, _schema))


def _schema(reference: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _document()["components"]["schemas"][reference.rpartition("/")[2]]
    return found


@cache
def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))
    return found


@cache
def methods() -> tuple[Method, ...]:
    return tuple(
        Method(
            name=f"{verb} {path.removeprefix('/api/clusters_mgmt/v1')}",
            verb=verb.upper(),
            pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
            described=described,
        )
        for path, verbs in _document()["paths"].items()
        for verb, described in verbs.items()
    )


def method_of(verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """And the names in the path."""
    for method in methods():
        found = method.pattern.fullmatch(path) if method.verb == verb else None
        if found is not None:
            return method, {name: unquote(value) for name, value in found.groupdict().items()}
    return None
