"""Errors of calls to a server: a closed family, each with the problem and the remedy.

Raised by the transport, turned into exit codes by the command line. Never holds a token.
"""


class ClientError(Exception):
    """`code` is a stable word for programs, `hint` one sentence on what to do, `field` the offending input field."""

    code = "failed"

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", field: str = "", status: int = 0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.field = field
        self.status = status


class NotFoundError(ClientError):
    code = "not_found"


class ConflictError(ClientError):
    code = "conflict"


class NotAllowedError(ClientError):
    """No token, an unknown one, or a role that may not do this."""

    code = "not_allowed"


class InvalidError(ClientError):
    """The server refused the input; `field` names where."""

    code = "invalid"


class UnreachableError(ClientError):
    """No answer after every try: it is unknown whether a write was done; the same call again is harmless."""

    code = "unreachable"


class ServerError(ClientError):
    """The server answered that it failed, or with something that is no answer of Herder."""

    code = "server_error"


class TimedOutError(ClientError):
    """A wait ended before what it waited for."""

    code = "timed_out"


BY_STATUS: dict[int, type[ClientError]] = {
    400: InvalidError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    413: InvalidError,
    416: InvalidError,
    422: InvalidError,
}
