"""Request bodies: how large each may be, and how much memory all of them may take together.

`read_body` is called by a route once it knows who calls; what was taken is given back by `HotRoutes` when the call has been
answered. A body that nobody has asked for stays in the socket: the server reads 64 KiB ahead and no more.
"""

from dataclasses import dataclass, field

from fastapi import Request

from herder.api.http.replies import is_number
from herder.control.kernel.bounds.errors import Overloaded, TooLarge

#: Activation says a nonce and nothing else.
ACTIVATION_BYTES_MAX = 64 * 2**10
#: A report of a worker: ends of attempts, output, health.
EXCHANGE_BYTES_MAX = 16 * 2**20
#: Submissions: 10,000 jobs of 3 KiB.
SUBMISSION_BYTES_MAX = 32 * 2**20
#: `herder apply`: a thousand pools.
APPLY_BYTES_MAX = 8 * 2**20
#: All other calls.
BODY_BYTES_MAX = 2**20

#: Bodies up to this are not counted: there are never more of them than connections.
SMALL_BYTES = 64 * 2**10
#: In memory at a time: of people's calls together, of one person's, and of workers' reports.
PEOPLE_BYTES_MAX = 128 * 2**20
PERSON_BYTES_MAX = 64 * 2**20
WORKERS_BYTES_MAX = 128 * 2**20

#: Where the part of one call stands in its ASGI scope.
SCOPE_KEY = "herder.body"


@dataclass(slots=True)
class Bodies:
    """What is in memory now. Workers have a part of their own, so that no user can keep their reports out."""

    people: int = 0
    workers: int = 0
    by_person: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Share:
    """The part of one call."""

    bodies: Bodies
    person: str | None = None
    """None: a worker, or nobody known."""
    taken: int = 0

    def take(self, size: int) -> None:
        """Raises Overloaded, having taken nothing more."""
        bodies = self.bodies
        if self.person is None:
            if bodies.workers + size > WORKERS_BYTES_MAX:
                raise _overloaded("reports of workers", WORKERS_BYTES_MAX)
            bodies.workers += size
        else:
            mine = bodies.by_person.get(self.person, 0)
            if mine + size > PERSON_BYTES_MAX:
                raise _overloaded(f"calls of {self.person}", PERSON_BYTES_MAX)
            if bodies.people + size > PEOPLE_BYTES_MAX:
                raise _overloaded("calls", PEOPLE_BYTES_MAX)
            bodies.people += size
            bodies.by_person[self.person] = mine + size
        self.taken += size

    def give_back(self) -> None:
        size, self.taken = self.taken, 0
        if not size:
            return
        if self.person is None:
            self.bodies.workers -= size
            return
        self.bodies.people -= size
        left = self.bodies.by_person[self.person] - size
        if left:
            self.bodies.by_person[self.person] = left
        else:
            del self.bodies.by_person[self.person]


def give_back(request: Request) -> None:
    """The body was read and is not needed any more."""
    share: Share | None = request.scope.get(SCOPE_KEY)
    if share is not None:
        share.give_back()


def _overloaded(what: str, most: int) -> Overloaded:
    return Overloaded(
        f"Request bodies of {what} already take {most // 2**20} MiB of memory, the maximum.",
        hint="Try again in a moment.",
    )


async def read_body(
    request: Request, most: int = BODY_BYTES_MAX, person: str | None = None
) -> bytes | bytearray:
    """The body, refused before it fills the memory, and never there twice. `person` who calls; None for a worker."""
    said = request.headers.get("content-length", "")
    if is_number(said) and int(said) > most:
        raise _too_large(most)
    share: Share | None = request.scope.get(SCOPE_KEY)
    if share is not None:
        share.person = person
    body: bytes | bytearray = b""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if share is not None and size > SMALL_BYTES:
            share.take(size - share.taken)
        if not body:
            body = piece
        elif piece:
            if isinstance(body, bytes):
                body = bytearray(body)
            body += piece
    return body


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        f"The request body is larger than {most:,} bytes.", hint="Send the data in several calls."
    )
