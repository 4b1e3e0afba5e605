"""Authentication: from a token to a principal. Tokens are stored as hashes only.

Everything is in memory (rebuilt from the store at start), so a call costs one hash and a few look-ups. Rights are looked up at
each call: a token narrows what its user may do at that moment and never widens it. What they may do is `model/permissions.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import is_

from herder.control.kernel.bounds.errors import Invalid, Unauthenticated
from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.model.ids import UserName, WorkerName
from herder.model.permissions import NO_PROJECTS, ROLES, Principal, Role
from herder.model.stored.changes import Changes
from herder.model.stored.records import SessionRecord, TokenRecord, UserRecord
from herder.model.stored.service_records import SecretRecord
from herder.model.values.times import iso

#: Characters of a token's hash that name it.
ID_LENGTH = 12
#: How often it is written down that a token was used.
USE_WRITTEN_MS = 3_600_000


def role_named(text: str, path: str = "role") -> Role:
    try:
        return ROLES[text.lower()]
    except KeyError:
        names = ", ".join(role.label for role in Role)
        raise Invalid(f"{text[:50]!r} is not a role.", field=path, hint=f"Choose one of {names}.") from None


def token_id(digest: str) -> str:
    return digest[:ID_LENGTH]


@dataclass(slots=True)
class Directory:
    """All users and tokens. A worker's token opens only that worker's exchange: it stands in a table of its own."""

    users: dict[UserName, UserRecord] = field(default_factory=dict)
    """Those who are not deleted."""
    tokens: dict[str, TokenRecord] = field(default_factory=dict)
    """By hash, also those that are revoked or over, as long as their rows are kept."""
    workers: dict[str, WorkerName] = field(default_factory=dict)
    activations: dict[str, WorkerName] = field(default_factory=dict)
    sessions: dict[str, SessionRecord] = field(default_factory=dict)
    """Signed-in browsers by the hash of their cookie (`control/access/sessions.py`)."""
    secrets: dict[tuple[str, str, str], SecretRecord] = field(default_factory=dict)
    """By scope, owner and name, without what is encrypted (`control/access/secrets.py`)."""
    members: Mapping[UserName, Mapping[str, Role]] = field(default_factory=dict)
    """By user: the projects that name them, and as what."""
    declared: frozenset[UserName] = frozenset()
    """Users whose role and weight stand in the server's herder.yaml."""
    used: dict[str, int] = field(default_factory=dict)
    """By hash of a token: when it was last used."""
    made: dict[str, tuple[tuple[object, ...], Principal]] = field(default_factory=dict)
    """The principal of each token, as long as token, user and members are the very ones it was made from."""

    def principal(self, token: str, now_ms: int) -> Principal:
        """Raises Unauthenticated."""
        if not token:
            raise _unauthenticated("The request has no token.")
        return self.holder(hash_token(token), now_ms)

    def holder(self, digest: str, now_ms: int) -> Principal:
        """Whom the token with this hash speaks for. Raises Unauthenticated that says why it is worth nothing."""
        record = self.tokens.get(digest)
        user = None if record is None else self.users.get(UserName(record.user))
        if record is None or record.join_pool is not None:
            raise _unauthenticated("Unknown token.")
        if record.revoked_at_ms is not None:
            raise _unauthenticated(f"This token was revoked at {iso(record.revoked_at_ms)}.")
        if record.expires_at_ms is not None and now_ms >= record.expires_at_ms:
            raise _unauthenticated(f"This token expired at {iso(record.expires_at_ms)}.")
        if user is None:
            raise _unauthenticated(f"User {record.user} was deleted.")
        self.used[digest] = now_ms
        made_from = (record, user, self.members)
        known = self.made.get(digest)
        if known is not None and all(map(is_, known[0], made_from)):
            return known[1]
        projects = self.members.get(UserName(user.name), NO_PROJECTS)
        role = min(ROLES[record.role], ROLES[user.role])
        who = Principal(UserName(user.name), role, projects, token_id(digest), record.expires_at_ms)
        self.made[digest] = made_from, who
        return who

    def person(self, name: UserName) -> Principal | None:
        """A user as such, with all their rights; None: there is none of this name."""
        user = self.users.get(name)
        return (
            None if user is None else Principal(name, ROLES[user.role], self.members.get(name, NO_PROJECTS))
        )

    def add_user(self, changes: Changes, name: str, role: Role, weight: int, now_ms: int) -> UserRecord:
        """Make a user, or change one."""
        known = self.users.get(UserName(name))
        record = UserRecord(name, role.label, weight, known.created_at_ms if known is not None else now_ms)
        self.users[UserName(name)] = record
        changes.put(record)
        return record

    def add_token(
        self,
        changes: Changes,
        user: str,
        role: Role,
        note: str,
        now_ms: int,
        token: str | None = None,
        expires_at_ms: int | None = None,
    ) -> str:
        """Make a token for a known user; it is shown once. `token`: one that was made elsewhere."""
        made = token or new_token()
        record = TokenRecord(hash_token(made), user, role.label, note, now_ms, None, expires_at_ms, None)
        self.put_token(changes, record)
        return made

    def put_token(self, changes: Changes, record: TokenRecord) -> None:
        self.tokens[record.hash] = record
        changes.put(record)

    def tokens_of(self, user: str) -> list[TokenRecord]:
        return [record for record in self.tokens.values() if record.user == user]

    def last_used_ms(self, record: TokenRecord) -> int | None:
        return self.used.get(record.hash, record.last_used_at_ms)

    def write_uses(self, changes: Changes) -> None:
        """When tokens were last used, of those where the row says an hour less: bounded by the tokens there are."""
        for digest, at_ms in list(self.used.items()):
            record = self.tokens.get(digest)
            if record is None:
                del self.used[digest]
                self.made.pop(digest, None)
            elif at_ms - (record.last_used_at_ms or 0) >= USE_WRITTEN_MS:
                self.put_token(changes, record._replace(last_used_at_ms=at_ms))

    def keys_of(self, user: str, now_ms: int) -> list[TokenRecord]:
        """Tokens with which an administrator can do everything; without one, being an administrator is of no use."""
        return [
            record
            for record in self.tokens_of(user)
            if ROLES[record.role] is Role.ADMINISTRATOR
            and record.revoked_at_ms is None
            and now_ms < (record.expires_at_ms or 2**62)
        ]

    @property
    def administrators(self) -> list[str]:
        return [user.name for user in self.users.values() if ROLES[user.role] is Role.ADMINISTRATOR]


def _unauthenticated(text: str) -> Unauthenticated:
    return Unauthenticated(
        text,
        hint="Send Authorization: Bearer TOKEN. The command line takes --token-file FILE, HERDER_TOKEN_FILE, or admin.token of the "
        "server's data folder: set HERDER_DATA_DIR where `herder up` was given --data-dir.",
    )
