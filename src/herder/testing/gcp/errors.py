"""Errors in the shapes of Google's APIs."""

from typing import Any

from herder.testing.fakes.messages import Answer


class ApiError(Exception):
    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.headers = status, reason, message, headers or {}

    def answer(self) -> Answer:
        row = {"message": self.message, "domain": "global", "reason": self.reason}
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [row]}
        if self.status == 401:
            error["status"] = "UNAUTHENTICATED"
        return Answer(status=self.status, body={"error": error}, reason=self.reason, headers=self.headers)


def not_found(path: str) -> ApiError:
    return ApiError(404, "notFound", f"The resource '{path}' was not found")


def invalid(field: str, value: object, why: str) -> ApiError:
    return ApiError(400, "invalid", f"Invalid value for field '{field}': '{value}'. {why}")


class Failed(Exception):
    """An operation that ends with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
