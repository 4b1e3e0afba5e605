"""What `Reads` answers about tokens and secrets: that they exist and whose they are, never what they hold. A part of `Reads`."""

from herder.control.access import secrets as kept
from herder.control.access import users as people
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Principal
from herder.wire.api.resources import Page
from herder.wire.api.secrets import SecretView


class CredentialReads:
    _core: Core

    def tokens(self, who: Principal, *, user: str | None, revoked: bool) -> Page:
        views = people.token_views(self._core, who, user=user, revoked=revoked)
        return Page(items=views, total=len(views))

    def secrets(self, who: Principal, *, project: str | None, everything: bool) -> Page:
        views = kept.views(self._core, who, project=project, everything=everything)
        return Page(items=views, total=len(views))

    def secret(self, who: Principal, key: kept.SecretKey) -> SecretView:
        return kept.view_of(self._core, kept.found(self._core, who, key, Action.SEE))
