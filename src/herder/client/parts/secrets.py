"""Secrets of users and projects: `client.secrets`. A value is sent, and never comes back."""

import base64
from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import whole
from herder.wire.api.resources import Result
from herder.wire.api.secrets import SecretCreate, SecretValue, SecretView


class Secrets:
    """`project`: a secret of that project; else one of the caller's."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, *, project: str | None = None, everything: bool = False) -> Iterator[SecretView]:
        """By name. `everything`: also those of others, for administrators."""
        return whole(self._http, "/secrets", SecretView, {"project": project, "all": everything})

    def get(self, name: str, *, project: str | None = None, user: str | None = None) -> SecretView:
        query = {"project": project, "user": user}
        return self._http.get(f"/secrets/{segment(name)}", SecretView, query)

    def create(self, name: str, value: bytes, *, project: str | None = None) -> SecretView:
        body = SecretCreate(name=name, value=_sent(value), encoding="base64", project=project)
        return self._http.write("POST", "/secrets", SecretView, body)

    def rotate(self, name: str, value: bytes, *, project: str | None = None) -> SecretView:
        """A new value, for attempts that start from now on."""
        body = SecretValue(value=_sent(value), encoding="base64")
        return self._http.write("POST", f"/secrets/{segment(name)}", SecretView, body, {"project": project})

    def delete(
        self, name: str, *, project: str | None = None, user: str | None = None, dry_run: bool = False
    ) -> Result:
        query = {"project": project, "user": user, "dry_run": dry_run}
        return self._http.write("DELETE", f"/secrets/{segment(name)}", Result, None, query)


def _sent(value: bytes) -> str:
    return base64.b64encode(value).decode()
