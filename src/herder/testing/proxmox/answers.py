"""Parameters of requests, and the errors of the API with the shapes of Proxmox VE."""

import json
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from herder.testing.fakes.messages import Answer, Request

Json = dict[str, Any]
PREFIX = "/api2/json"


def parameters(request: Request) -> tuple[Json, bytes]:
    """Of query and body; and the content of an uploaded file."""
    found: Json = dict(request.parameters())
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        loaded = json.loads(request.body or b"{}")
        return found | (loaded if isinstance(loaded, dict) else {}), b""
    if kind.startswith("multipart/form-data"):
        return _multipart(found, kind, request.body)
    return found | request.form(), b""


def _multipart(found: Json, kind: str, body: bytes) -> tuple[Json, bytes]:
    content = b""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        payload = part.get_payload(decode=True)
        raw = payload if isinstance(payload, bytes) else b""
        if (filename := part.get_filename()) is not None:
            found[name], content = filename, raw
        else:
            found[name] = raw.decode()
    return found, content


class ApiError(Exception):
    """Answered with the message in the body and in the reason phrase, as Proxmox VE does."""

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors

    def answer(self) -> Answer:
        body: Json = {"data": None}
        if self.status not in (401, 595, 596):
            body["message"] = f"{self.message}\n"
        if self.errors:
            body["errors"] = dict(self.errors)
        return Answer(status=self.status, body=body, reason=self.message.replace("\n", " "))


def bad_parameters(errors: Mapping[str, str]) -> ApiError:
    return ApiError(400, "Parameter verification failed.", errors)


class TaskFailed(Exception):
    """The exit status of a task."""
