"""Requests and answers as data, and the errors of the API as exceptions that become a Status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import Resource
from herder.testing.kubernetes.objects.stored import ENCODER

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""
    body: bytes = b""


@dataclass(slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    delay_ms: int = 0
    """It is to be sent this much later: a fault that a test asked for."""
    cut: bool = False
    """Instead of the answer the connection ends: the request may have had its effect."""

    @classmethod
    def of(cls, status: int, obj: Any, headers: Mapping[str, str] | None = None) -> "Answer":
        return cls(status=status, body=ENCODER.encode(obj), headers={"Content-Type": JSON, **(headers or {})})

    @classmethod
    def text(cls, status: int, text: str) -> "Answer":
        return cls(status=status, body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})


class ApiError(Exception):
    """Answered as a Status object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Json | None = None,
        *,
        retry_after_s: int | None = None,
        metadata: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s
        self.metadata = metadata or {}
        if retry_after_s is not None:
            self.details["retryAfterSeconds"] = retry_after_s

    def status(self) -> Json:
        found: Json = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        found["message"] = self.message
        if self.reason:
            found["reason"] = self.reason
        if self.details:
            found["details"] = self.details
        return found | {"code": self.code}

    def answer(self) -> Answer:
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return Answer.of(self.code, self.status(), headers)


def _details(resource: Resource, name: str) -> Json:
    found: Json = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    return found | {"kind": resource.plural}


def already_exists(resource: Resource, name: str) -> ApiError:
    return ApiError(
        409, "AlreadyExists", f'{resource.full_name} "{name}" already exists', _details(resource, name)
    )


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.full_name} "{name}" not found', _details(resource, name))


def conflict(resource: Resource, name: str) -> ApiError:
    message = (
        f'Operation cannot be fulfilled on {resource.full_name} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, _details(resource, name))


def precondition_failed(resource: Resource, name: str, what: str, wanted: str, held: str) -> ApiError:
    message = (
        f'Operation cannot be fulfilled on {resource.full_kind} "{name}": the {what} in the precondition '
        f"({wanted}) does not match the {what} in record ({held}). The object might have been "
        + ("deleted and then recreated" if what == "UID" else "modified")
    )
    details: Json = {"name": name}
    if resource.group:
        details["group"] = resource.group
    return ApiError(409, "Conflict", message, details | {"kind": resource.kind})


def forbidden(resource: Resource, name: str, why: str, causes: list[Json] | None = None) -> ApiError:
    whose = f'{resource.full_name} "{name}"' if name else resource.full_name
    details = _details(resource, name)
    if causes:
        details["causes"] = causes
    return ApiError(403, "Forbidden", f"{whose} is forbidden: {why}", details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What is wrong with one field."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    @classmethod
    def required(cls, field: str, text: str = "") -> "Cause":
        return cls(
            field=field,
            message=f"Required value: {text}" if text else "Required value",
            reason="FieldValueRequired",
        )

    @classmethod
    def invalid(cls, field: str, value: Any, text: str) -> "Cause":
        shown = f'"{value}"' if isinstance(value, str) else ENCODER.encode(value).decode()
        return cls(field=field, message=f"Invalid value: {shown}: {text}")

    @classmethod
    def unsupported(cls, field: str, value: str, allowed: tuple[str, ...]) -> "Cause":
        listed = ", ".join(f'"{each}"' for each in allowed)
        return cls(
            field=field,
            message=f'Unsupported value: "{value}": supported values: {listed}',
            reason="FieldValueNotSupported",
        )


def invalid(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Json = {"name": name}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return ApiError(422, "Invalid", f'{resource.full_kind} "{name}" is invalid: {joined}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str, *, continue_token: str = "") -> ApiError:
    return ApiError(
        410, "Expired", message, metadata={"continue": continue_token} if continue_token else None
    )


def version_too_large(wanted: int, current: int) -> ApiError:
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
        retry_after_s=1,
    )


def deleted_status(resource: Resource, name: str, uid: str) -> Json:
    details = {"name": name} | ({"group": resource.group} if resource.group else {})
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details | {"kind": resource.plural, "uid": uid},
    }
