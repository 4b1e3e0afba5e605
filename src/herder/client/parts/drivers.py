"""Drivers: the part of the client for operators."""

from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import quote

from herder.client.http.transport import Transport
from herder.client.parts.pages import whole
from herder.wire.api.drivers import (
    DriverAction,
    DriverChecks,
    DriverImport,
    DriverView,
    SweepAnswer,
    SweepDecision,
    SweepView,
)
from herder.wire.api.resources import Result


class Drivers:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[DriverView]:
        return whole(self._http, "/drivers", DriverView)

    def get(self, driver: str) -> DriverView:
        return self._http.get(_path(driver), DriverView)

    def check(self, driver: str) -> DriverChecks:
        return self._http.get(f"{_path(driver)}/check", DriverChecks)

    def importable(self, driver: str) -> DriverImport:
        """What exists at the provider, as pools that would adopt it."""
        return self._http.get(f"{_path(driver)}/import", DriverImport)

    def sweep(self, driver: str) -> SweepView:
        return self._http.get(f"{_path(driver)}/sweep", SweepView)

    def decide(
        self,
        driver: str,
        action: Literal["adopt", "remove"],
        machines: Sequence[str] = (),
        message: str = "",
        *,
        dry_run: bool = False,
    ) -> SweepAnswer:
        """About machines that belong to no worker."""
        body = SweepDecision(action=action, machines=list(machines), message=message)
        return self._http.write("POST", f"{_path(driver)}/sweep", SweepAnswer, body, {"dry_run": dry_run})

    def freeze(self, driver: str, message: str = "") -> Result:
        return self._http.write("POST", f"{_path(driver)}/freeze", Result, DriverAction(message=message))

    def unfreeze(self, driver: str, message: str = "", *, allow_removals: bool = False) -> Result:
        action = DriverAction(message=message, allow_removals=allow_removals)
        return self._http.write("POST", f"{_path(driver)}/unfreeze", Result, action)

    def forget(self, driver: str, message: str = "", *, dry_run: bool = False) -> Result:
        query = {"dry_run": dry_run}
        return self._http.write(
            "POST", f"{_path(driver)}/forget", Result, DriverAction(message=message), query
        )


def _path(driver: str) -> str:
    return f"/drivers/{quote(driver, safe='') or '-'}"
