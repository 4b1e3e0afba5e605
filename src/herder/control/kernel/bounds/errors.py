"""The errors of use cases: one family, each with an HTTP status, the problem, its place, and the remedy. After an error nothing has
changed.
"""

from herder.ports.store import Trouble


class Refused(Exception):
    """Base. `field` is the path of the offending field in the request, empty when it is not about one."""

    status = 400
    code = "refused"

    def __init__(self, detail: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.hint = hint


class NotKnown(Refused):
    """No such thing."""

    status = 404
    code = "not_found"


class Conflict(Refused):
    """It is there, but not in a state in which this can be done."""

    status = 409
    code = "conflict"


class Invalid(Refused):
    """The request itself is wrong."""

    status = 422
    code = "invalid"


class TooLarge(Refused):
    """Over a documented bound."""

    status = 413
    code = "too_large"


class Unauthenticated(Refused):
    status = 401
    code = "unauthenticated"


class Forbidden(Refused):
    status = 403
    code = "forbidden"


class Overloaded(Refused):
    """A bound of the server is reached; it goes away by itself."""

    status = 429
    code = "overloaded"


class NotReady(Refused):
    status = 503
    code = "not_ready"


class StoreTroubled(Refused):
    """The store cannot be written for the moment: nothing new is taken in."""

    status = 503

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text, hint=trouble.hint)
        self.code = trouble.code
