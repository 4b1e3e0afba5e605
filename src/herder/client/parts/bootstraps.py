"""Bootstraps: the part of the client for operators."""

from collections.abc import Iterator
from urllib.parse import quote

from herder.client.http.transport import Transport
from herder.client.parts.pages import whole
from herder.wire.api.bootstraps import BootstrapChecks, BootstrapView


class Bootstraps:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[BootstrapView]:
        return whole(self._http, "/bootstraps", BootstrapView)

    def check(self, bootstrap: str) -> BootstrapChecks:
        return self._http.get(f"/bootstraps/{quote(bootstrap, safe='') or '-'}/check", BootstrapChecks)
