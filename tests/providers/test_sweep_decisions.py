"""What the sweep records of a person's decision, and what it offers next: whose it was, about which machines, and why."""

import json

import pytest
from sqlalchemy import select

from herder.control.kernel.bounds.errors import Conflict
from herder.control.reads.fleet.sweeps import sweep_view
from herder.model.ids import WorkerName
from herder.store.rows.tables import events
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet
from tests.providers.test_restored_store import decide, restored

pytestmark = pytest.mark.virtual_time


def recorded(fleet: Fleet, kind: str) -> list[tuple[str, str, str, dict[str, object]]]:
    """Object, actor, text and data."""
    with fleet.engine.connect() as connection:
        rows = connection.execute(select(events).order_by(events.c.sequence)).all()
    return [(row.object, row.actor, row.text, json.loads(row.data)) for row in rows if row.kind == kind]


async def test_a_removal_is_recorded_with_person_machines_and_message(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    lost = await restored(fleet, 2)
    answer = await decide(fleet, "remove", lost[0], message="a trial that ended")
    (about, actor, text, data) = recorded(fleet, "driver.unknown_machines")[-1]
    assert (about, actor) == ("driver/cloud", "user/ann")
    assert text == f"{answer} The machine is {lost[0]}. A trial that ended."
    assert (data["machines"], data["message"]) == ([lost[0]], "a trial that ended")
    await fleet.until(lambda: lost[0] not in fleet.machines(), limit_s=60)
    await fleet.until(lambda: bool(fleet.events("worker.orphan")), limit_s=60)
    assert recorded(fleet, "worker.orphan") == [
        (
            f"worker/{lost[0]}",
            "user/ann",
            f"Driver cloud listed machine {lost[0]}, which belongs to no worker. It was removed. A trial that ended.",
            {},
        )
    ]


async def test_an_event_lists_a_bounded_number_of_machines(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.control.drivers.sweep_decisions.NAMES_RECORDED", 5)
    fleet = make_fleet()
    lost = await restored(fleet, 8)
    await decide(fleet, "remove")
    (_, _, text, data) = recorded(fleet, "driver.unknown_machines")[-1]
    assert text.endswith("The machines are p-7-1, p-7-2, p-7-3 and 5 more.")
    assert data["machines"] == lost[:5]


async def test_an_adoption_is_recorded_with_its_message(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    lost = await restored(fleet, 1)
    await decide(fleet, "adopt", message="they compute for the report")
    (_, actor, text, data) = recorded(fleet, "driver.unknown_machines")[-1]
    assert actor == "user/ann"
    assert text.endswith("is adopted. The machine is p-7-1. They compute for the report.")
    assert (data["machines"], data["message"]) == (lost, "they compute for the report")
    worker = fleet.core.state.workers[WorkerName(lost[0])]
    why = "ann adopted its machine after the store was restored. They compute for the report."
    assert worker.spec.reason == worker.reason_made.text == why
    assert recorded(fleet, "worker.requested")[-1][2] == why


async def test_a_driver_that_a_person_has_frozen_adopts_nothing_and_says_so_before(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    await restored(fleet, 1)
    await fleet.decide("freeze", "cloud")
    why = "Driver cloud was frozen by ann. To use it again, run `herder driver unfreeze cloud`."
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert view.not_now == view.frozen == why
    assert [(each.not_adoptable, each.next) for each in view.unknown] == [
        (why, "It is kept, because the driver is frozen.")
    ]
    for action in ("adopt", "remove"):
        with pytest.raises(Conflict) as refused:
            await decide(fleet, action, dry_run=True)
        assert (refused.value.detail, refused.value.hint) == (why, "")
    await fleet.decide("unfreeze", "cloud")
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert (view.not_now, view.unknown[0].not_adoptable) == ("", "")


async def test_a_driver_that_the_sweep_has_frozen_waits_for_the_decision(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await restored(fleet, 8)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    view = await sweep_view(fleet.core, "cloud", "ann")
    assert view.frozen
    assert (view.not_now, {each.not_adoptable for each in view.unknown}) == ("", {""})


async def test_the_others_are_offered_for_adoption_only_when_one_of_them_can_be(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    lost = await restored(fleet, 8)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=60)
    for name in lost[2:]:
        fleet.world.halt(name)
    await sweep_view(fleet.core, "cloud", "ann")
    offered = await decide(fleet, "adopt", lost[0], dry_run=True)
    assert offered.endswith(
        "the limit is 3. Adopt them too, or run `herder admin sweep --driver cloud --remove`."
    )
    none = await decide(fleet, "adopt", *lost[:2], dry_run=True)
    assert none.endswith(
        "Driver cloud stays frozen, because 6 unknown machines remain, and the limit is 3. Run `herder admin sweep --driver cloud --remove`."
    )
    only_stopped = await decide(fleet, "adopt", lost[2], dry_run=True)
    assert "Adopt them too" in only_stopped, "two others run"
