"""The OpenAPI document, from the operations that `route_table.py` remembers and the wire structs' own schemas."""

import re
from typing import Any

import msgspec

from herder import __version__
from herder.api.http.route_table import Operation
from herder.wire.api.resources import Problem

KEY = (
    "At most 200 characters, a new key for each write. A request that is repeated with its key is carried out once, for at least a day "
    "and also after a restart: the answer to a repeat is what the first request created, in its current state. Another request with "
    "the same key is refused (409). A request that changed nothing or was refused does not use up its key."
)


def document(operations: list[Operation], prefix: str) -> dict[str, Any]:
    """OpenAPI 3.1; component schemas are JSON Schema as msgspec writes it."""
    kinds = (
        {operation.body for operation in operations}
        | {operation.answer for operation in operations}
        | {Problem}
    )
    structs = sorted((kind for kind in kinds if isinstance(kind, type)), key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    named = dict(zip(structs, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(prefix + operation.path, {})[operation.method] = _operation(operation, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Herder", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(operation: Operation, named: dict[type, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "summary": operation.summary,
        "description": f"Needs the role {operation.role}.",
        "operationId": _identifier(operation),
        "parameters": _parameters(operation),
        "responses": {
            "200": {"description": "done", "content": _content(operation.answer, named)},
            "default": {
                "description": "A problem: what is wrong, where, and what to do.",
                "content": {"application/problem+json": {"schema": named[Problem]}},
            },
        },
    }
    if operation.body is not None:
        entry["requestBody"] = {"required": True, "content": _content(operation.body, named)}
    return entry


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)(?::\w+)?}", operation.path)
    ]
    asked = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query]
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string"},
        "description": KEY,
    }
    return [*inside, *asked, *([key] if operation.writes else [])]


def _content(kind: Any, named: dict[type, Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": named[kind]}}


def _identifier(operation: Operation) -> str:
    words = [word for word in re.split(r"[^A-Za-z]+", operation.path) if word]
    return "_".join([operation.method, *words])
