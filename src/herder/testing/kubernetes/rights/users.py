"""Who asks: a token becomes a user with groups. Tokens of service accounts end; one that has ended is as good as none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.testing.kubernetes.api import answers

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ADMINISTRATORS = "system:masters"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    groups: tuple[str, ...] = ()

    @property
    def all_powerful(self) -> bool:
        return ADMINISTRATORS in self.groups


ANONYMOUS = User(name="system:anonymous", groups=(UNAUTHENTICATED,))


def service_account(namespace: str, name: str) -> User:
    return User(
        name=f"system:serviceaccount:{namespace}:{name}",
        groups=("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED),
    )


@dataclass(slots=True)
class Tokens:
    held: dict[str, tuple[User, int | None]] = field(default_factory=dict)
    """Token → user, and when it ends."""
    nobody: User = ANONYMOUS
    """Who a request without a token is."""

    def add(self, token: str, user: User, until_ms: int | None = None) -> None:
        self.held[token] = (user, until_ms)

    def revoke(self, token: str) -> None:
        self.held.pop(token, None)

    def revoke_user(self, name: str) -> None:
        """The service account was deleted."""
        for token in [each for each, (user, _) in self.held.items() if user.name == name]:
            del self.held[token]

    def user_of(self, headers: Mapping[str, str], now_ms: int) -> User:
        """Raises ApiError 401."""
        text = headers.get("authorization", "")
        if not text:
            return self.nobody
        scheme, _, token = text.partition(" ")
        found = self.held.get(token.strip())
        if scheme.lower() != "bearer" or found is None or (found[1] is not None and now_ms >= found[1]):
            raise answers.unauthorized()
        return found[0]
