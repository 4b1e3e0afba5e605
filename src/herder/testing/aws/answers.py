"""Answers of the query protocol: XML of objects, lists of `item`s and texts; and errors in EC2's form."""

from typing import Any
from xml.sax.saxutils import escape

from herder.testing.fakes.messages import Answer

_SPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


class ApiError(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def answer(self) -> Answer:
        error = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>0-1</RequestID></Response>"
        return _answer(self.status, text)


class ServiceError(ApiError):
    """Of a service that speaks JSON."""

    def answer(self) -> Answer:
        body = {"__type": f"com.amazonaws#{self.code}", "message": self.message}
        return Answer(status=self.status, body=body, content_type="application/x-amz-json-1.1")


def answered(action: str, body: dict[str, Any]) -> Answer:
    inner = _text({"requestId": "0-1", **body})
    return _answer(200, f'<{action}Response xmlns="{_SPACE}">{inner}</{action}Response>')


def _answer(status: int, text: str) -> Answer:
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(status=status, body=content, content_type="text/xml;charset=UTF-8")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_text(each)}</{name}>" for name, each in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_text(each)}</item>" for each in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
