"""Who calls: tokens to principals, roles to permissions. Tokens are known by their hash only.

Everything is in memory (rebuilt from the store at start), so that the check costs one hash and one look-up.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from herder.control.clock import hash_token, new_token
from herder.control.errors import Forbidden, Invalid, Unauthenticated
from herder.model.changes import Changes
from herder.model.ids import UserName, WorkerName
from herder.model.records import TokenRecord, UserRecord


class Role(IntEnum):
    """Each may do what the ones before it may."""

    VIEWER = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Principal:
    user: UserName
    role: Role

    @property
    def actor(self) -> str:
        return f"user/{self.user}"

    def require(self, role: Role) -> None:
        if self.role < role:
            raise Forbidden(
                f"this needs the role {role.label}, and {self.user} is {self.role.label}",
                hint="ask an administrator for a token with that role: herder token create",
            )


def role_named(text: str) -> Role:
    try:
        return Role[text.upper()]
    except KeyError:
        names = ", ".join(role.label for role in Role)
        raise Invalid(f"{text!r} is not a role", field="role", hint=f"choose one of {names}") from None


@dataclass(slots=True)
class Directory:
    """All users and tokens. A worker's token opens only that worker's exchange: it stands in a table of its own."""

    users: dict[UserName, UserRecord] = field(default_factory=dict)
    tokens: dict[str, TokenRecord] = field(default_factory=dict)
    workers: dict[str, WorkerName] = field(default_factory=dict)
    activations: dict[str, WorkerName] = field(default_factory=dict)

    def principal(self, token: str) -> Principal:
        """Raises Unauthenticated."""
        record = self.tokens.get(hash_token(token)) if token else None
        if record is None or record.revoked_at_ms is not None:
            raise Unauthenticated(
                "no valid token" if token else "a token is needed",
                hint="send Authorization: Bearer TOKEN; on the server's machine the CLI finds it by itself",
            )
        return Principal(UserName(record.user), role_named(record.role))

    def add_user(self, changes: Changes, name: str, role: Role, weight: int, now_ms: int) -> UserRecord:
        if not name or len(name) > 64 or not name.isprintable() or "/" in name:
            raise Invalid(
                f"{name!r} cannot be a user's name", field="name", hint="up to 64 printable characters"
            )
        if not 1 <= weight <= 1_000_000:
            raise Invalid(f"weight {weight} is not between 1 and 1,000,000", field="weight")
        record = UserRecord(name, role.label, weight, now_ms)
        self.users[UserName(name)] = record
        changes.put(record)
        return record

    def add_token(
        self, changes: Changes, user: str, role: Role, note: str, now_ms: int, token: str | None = None
    ) -> str:
        """Make a token for a known user; it is shown once. `token`: one that was made elsewhere."""
        if UserName(user) not in self.users:
            raise Invalid(f"there is no user {user!r}", field="user", hint=f"herder user create {user}")
        made = token or new_token()
        record = TokenRecord(hash_token(made), user, role.label, note, now_ms, None)
        self.tokens[record.hash] = record
        changes.put(record)
        return made
