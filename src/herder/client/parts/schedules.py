"""Schedules of batches: the part of the client that makes and changes them."""

from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import whole
from herder.wire.api.resources import Result
from herder.wire.api.schedules import ScheduleCreate, ScheduleView
from herder.wire.api.work import JobsAdded


class Schedules:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(self, schedule: ScheduleCreate) -> ScheduleView:
        return self._http.write("POST", "/schedules", ScheduleView, schedule)

    def list(self) -> Iterator[ScheduleView]:
        """By name."""
        return whole(self._http, "/schedules", ScheduleView)

    def get(self, name: str) -> ScheduleView:
        return self._http.get(f"/schedules/{segment(name)}", ScheduleView)

    def pause(self, name: str) -> Result:
        return self._change(name, "pause")

    def resume(self, name: str) -> Result:
        """What was missed meanwhile is not made up for."""
        return self._change(name, "resume")

    def run(self, name: str) -> JobsAdded:
        """Submits its batch now."""
        return self._http.write("POST", f"/schedules/{segment(name)}/run", JobsAdded)

    def delete(self, name: str) -> Result:
        """Its batches are kept."""
        return self._http.write("DELETE", f"/schedules/{segment(name)}", Result)

    def _change(self, name: str, verb: str) -> Result:
        return self._http.write("POST", f"/schedules/{segment(name)}/{verb}", Result)
