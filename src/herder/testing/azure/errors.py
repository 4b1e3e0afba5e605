"""Errors in the shape of Azure Resource Manager."""

from herder.testing.fakes.messages import Answer


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Answer:
        body = {"error": {"code": self.code, "message": self.message}}
        return Answer(status=self.status, body=body, reason=self.code)


class Failed(Exception):
    """An operation that ends with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def not_found(kind: str, name: str, group: str) -> ApiError:
    return ApiError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def invalid(target: str, value: object, why: str) -> ApiError:
    return ApiError(400, "InvalidParameter", f"The value '{value}' of parameter '{target}' is invalid. {why}")
