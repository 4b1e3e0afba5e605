"""What is done with sessions, tokens and secrets. A part of `Commands`."""

from herder.control.access import secrets, sessions, users
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.wire.api.people import TokenCreate, TokenCreated
from herder.wire.api.resources import Result
from herder.wire.api.secrets import SecretCreate, SecretValue, SecretView


class CredentialCommands:
    _core: Core

    def principal(self, token: str) -> Principal:
        """Raises Unauthenticated."""
        return self._core.directory.principal(token, self._core.clock.now_ms())

    def visitor(self, cookie: str) -> Principal | None:
        """Whom a session's cookie speaks for, if it is one."""
        return sessions.visitor(self._core.directory, cookie, self._core.clock.now_ms())

    async def sign_in(self, token: str) -> str:
        """The cookie of a new session. Raises Unauthenticated."""
        changes = Changes()
        cookie = sessions.sign_in(self._core.directory, changes, token, self._core.clock.now_ms())
        await self._core.commit(changes)
        return cookie

    async def sign_out(self, cookie: str) -> None:
        """The cookie is worth nothing from now on, also after a restart."""
        changes = Changes()
        sessions.sign_out(self._core.directory, changes, cookie)
        await self._core.commit(changes)

    def form_secret(self, cookie: str) -> str:
        """What a form carries so that no other site can send it: made from a cookie that only this browser holds."""
        return derived_token(self._core.settings.secret, f"form/{cookie}")

    def fingerprint_secret(self) -> str:
        """With which fingerprints of confidential requests are made: what is stored of a request must not help to guess its body."""
        return derived_token(self._core.settings.secret, "fingerprint")

    def create_token(
        self, who: Principal, body: TokenCreate, changes: Changes, now_ms: int, *, key: str | None
    ) -> TokenCreated:
        return users.create_token(self._core, who, body, changes, now_ms, key=key)

    def made_token(self, who: Principal, body: TokenCreate, key: str) -> TokenCreated:
        """For a repeated request. The token is derived anew; it is stored nowhere."""
        return users.made_token(self._core, who, body, key)

    def revoke_token(self, who: Principal, token: str, changes: Changes, now_ms: int) -> Result:
        return users.revoke_token(self._core, who, token, changes, now_ms)

    def create_secret(self, who: Principal, body: SecretCreate, changes: Changes, now_ms: int) -> SecretView:
        return secrets.create(self._core, who, body, changes, now_ms)

    def set_secret(
        self,
        who: Principal,
        name: str,
        body: SecretValue,
        changes: Changes,
        now_ms: int,
        *,
        project: str | None,
    ) -> SecretView:
        key = secrets.key_of(who, name, project=project, user=None)
        return secrets.set_value(self._core, who, key, body, changes, now_ms)

    def delete_secret(
        self,
        who: Principal,
        name: str,
        changes: Changes,
        now_ms: int,
        *,
        project: str | None,
        user: str | None,
        dry_run: bool,
    ) -> Result:
        key = secrets.key_of(who, name, project=project, user=user)
        return secrets.delete(self._core, who, key, changes, now_ms, dry_run=dry_run)
