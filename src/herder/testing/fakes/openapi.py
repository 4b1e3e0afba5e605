"""A provider's own OpenAPI description: which method a request calls, and what in it, or in an answer, the description does not have."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from herder.testing.fakes.schemas import Misfit, Schema, misfits


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    name: str
    """`get /clusters/{cluster_id}`: the path below that of the API."""
    verb: str
    pattern: re.Pattern[str]
    described: Mapping[str, Any]
    resolve: Callable[[str], Schema]
    error: Schema
    """Of errors that are not described apart."""

    def unknown_parameters(self, query: Mapping[str, str]) -> Iterator[Misfit]:
        known = {
            each["name"]: each["schema"]
            for each in self.described.get("parameters", ())
            if each["in"] == "query"
        }
        for name, value in query.items():
            if name not in known:
                yield Misfit(name, "parameter is unknown", name)
                continue
            number = known[name].get("type") == "integer" and re.fullmatch(r"[0-9]+", value)
            yield from misfits(known[name], int(value) if number else value, self.resolve, name)

    def request_misfits(self, body: Any) -> list[Misfit]:
        content = self.described.get("requestBody")
        if content is None:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return self._found(content, body)

    def answer_misfits(self, status: int, body: Any) -> list[Misfit]:
        answers = self.described["responses"]
        if str(status) not in answers and status >= 400:
            return list(misfits(self.error, body, self.resolve))
        if str(status) not in answers:
            return [Misfit("", f"status {status} is not described")]
        if "content" not in answers[str(status)]:
            return [] if body is None else [Misfit("", "a body is not expected")]
        return self._found(answers[str(status)], body)

    def _found(self, content: Mapping[str, Any], body: Any) -> list[Misfit]:
        return list(misfits(content["content"]["application/json"]["schema"], body, self.resolve))


class OpenApi:
    """`file`: the description as JSON in gzip, its parameters and answers in place. `error`: the schema of errors. `base`: the path of the API, which
    names do not have."""

    def __init__(self, file: Path, error: Callable[[Mapping[str, Schema]], Schema], base: str = "") -> None:
        self._file, self._error, self._base = file, error, base

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(gzip.decompress(self._file.read_bytes()))
        return found

    def schema(self, reference: str) -> Schema:
        found: Schema = self._document["components"]["schemas"][reference.rpartition("/")[2]]
        return found

    @cached_property
    def error(self) -> Schema:
        return self._error(self._document["components"]["schemas"])

    def error_misfits(self, body: Any) -> list[Misfit]:
        return list(misfits(self.error, body, self.schema))

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        return tuple(
            Method(
                name=f"{verb} {path.removeprefix(self._base)}",
                verb=verb.upper(),
                pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
                described=described,
                resolve=self.schema,
                error=self.error,
            )
            for path, verbs in self._document["paths"].items()
            for verb, described in verbs.items()
        )

    def method_of(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """And the names in the path."""
        for method in self.methods:
            found = method.pattern.fullmatch(path) if method.verb == verb else None
            if found is not None:
                return method, {name: unquote(value) for name, value in found.groupdict().items()}
        return None
