"""Errors in the shape of Workspace Manager."""

from herder.testing.fakes.messages import Answer
from herder.testing.terra.state import error_report


class ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> Answer:
        return Answer(status=self.status, body=error_report(self.status, str(self)), reason="Error")
