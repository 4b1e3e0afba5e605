"""Routes for schedules of batches."""

from typing import Any

from fastapi import Request

from herder.api.http.bodies import SUBMISSION_BYTES_MAX
from herder.api.http.route_table import Repeat, RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.resources import Page, Result
from herder.wire.api.schedules import ScheduleCreate, ScheduleView
from herder.wire.api.work import JobsAdded

_SEE, _CREATE, _CHANGE = (Action.SEE, Kind.BATCH), (Action.CREATE, Kind.BATCH), (Action.CHANGE, Kind.BATCH)


def add(front: RouteTable) -> None:
    _add_reads(front)
    _add_creation(front)
    _add_changes(front)


def _add_reads(front: RouteTable) -> None:
    reads = front.reads

    async def list_schedules(request: Request, who: Principal) -> Page:
        """Schedules of batches."""
        return reads.schedules(who)

    async def get_schedule(request: Request, who: Principal) -> ScheduleView:
        """One schedule, with its next and its last run."""
        return reads.schedule(who, _name(request))

    front.read("/schedules", list_schedules, Page, _SEE)
    front.read("/schedules/{schedule}", get_schedule, ScheduleView, _SEE)


def _add_creation(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    def create_schedule(write: Write) -> Any:
        """Create a schedule: a batch that is submitted at the times of a cron expression."""
        return commands.create_schedule(write.who, write.body, write.changes, write.now_ms)

    async def made(repeat: Repeat) -> ScheduleView:
        return reads.schedule(repeat.who, repeat.body.name)

    front.write(
        "POST", "/schedules", create_schedule, ScheduleCreate, ScheduleView, _CREATE,
        then=reads.made_schedule, again=made, bytes_max=SUBMISSION_BYTES_MAX,
    )  # fmt: skip


def _add_changes(front: RouteTable) -> None:
    commands = front.commands

    def pause_schedule(write: Write) -> Result:
        """Pause a schedule."""
        return change(write, "pause")

    def resume_schedule(write: Write) -> Result:
        """Resume a schedule that is paused."""
        return change(write, "resume")

    def run_schedule(write: Write) -> JobsAdded:
        """Submit the batch of a schedule now."""
        return commands.run_schedule(write.who, _name(write.request), write.changes, write.now_ms)

    def delete_schedule(write: Write) -> Result:
        """Delete a schedule; its batches are kept."""
        return change(write, "delete")

    def change(write: Write, verb: str) -> Result:
        return commands.change_schedule(write.who, _name(write.request), verb, write.changes, write.now_ms)

    front.write("POST", "/schedules/{schedule}/run", run_schedule, None, JobsAdded, _CHANGE)
    for verb, run in (("pause", pause_schedule), ("resume", resume_schedule)):
        front.write("POST", f"/schedules/{{schedule}}/{verb}", run, None, Result, _CHANGE)
    front.write("DELETE", "/schedules/{schedule}", delete_schedule, None, Result, _CHANGE)


def _name(request: Request) -> str:
    return str(request.path_params["schedule"])
