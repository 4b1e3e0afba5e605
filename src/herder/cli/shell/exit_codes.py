"""The exit codes, and which error has which. Shown in `herder --help`; the same for every command."""

from enum import IntEnum

from herder.client.errors import (
    ClientError,
    ConflictError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    TimedOutError,
    UnreachableError,
)


class Code(IntEnum):
    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NOT_ALLOWED = 5
    UNREACHABLE = 6
    TIMED_OUT = 7
    PARTLY_DONE = 8
    CHANGES_PENDING = 9
    FAULT = 70
    INTERRUPTED = 130


MEANING: dict[Code, str] = {
    Code.OK: "success",
    Code.FAILURE: "failed, or the output could not be written",
    Code.USAGE: "wrong usage: an option, an argument or a file",
    Code.NOT_FOUND: "not found",
    Code.CONFLICT: "conflict: the state of the object does not allow it",
    Code.NOT_ALLOWED: "not allowed: no token, or the role is too low",
    Code.UNREACHABLE: "the server does not answer",
    Code.TIMED_OUT: "timed out while waiting",
    Code.PARTLY_DONE: "partly done: some succeeded, some failed",
    Code.CHANGES_PENDING: "changes are pending (plan --exit-code)",
    Code.FAULT: "internal error of Herder: please report it",
    Code.INTERRUPTED: "interrupted with Ctrl-C",
}

_BY_ERROR: tuple[tuple[type[ClientError], Code], ...] = (
    (NotFoundError, Code.NOT_FOUND),
    (ConflictError, Code.CONFLICT),
    (NotAllowedError, Code.NOT_ALLOWED),
    (InvalidError, Code.USAGE),
    (UnreachableError, Code.UNREACHABLE),
    (TimedOutError, Code.TIMED_OUT),
)


class CommandError(Exception):
    """A command cannot go on: what happened, what to do, and the exit code."""

    def __init__(self, message: str, *, hint: str = "", code: Code = Code.FAILURE, word: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.word = word or code.name.lower()


def code_of(error: ClientError) -> Code:
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Code.FAILURE)
