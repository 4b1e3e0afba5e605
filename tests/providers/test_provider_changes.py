"""What an apply means at a provider: the driver says it, the answer has it, and the command line shows it as Terraform does."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from herder.cli.output.formats import Format
from herder.cli.output.printer import Printer
from herder.cli.views.plans import apply_lines
from herder.control.kernel.bounds.errors import Invalid
from herder.control.pools.pool_actions import apply, store_pool
from herder.drivers.pretend import PretendDriver, PretendSettings
from herder.drivers.rosa.changes import planned
from herder.model.fleet.driver import DriverContext, InvalidRequest
from herder.model.fleet.driver_capabilities import PlannedChange
from herder.model.fleet.pool import PoolSpec
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.remote.ocm.pools import Cluster
from herder.settings import pool_from_plain, pool_to_plain
from herder.wire.api.resources import ApplyAnswer, ApplyRequest
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time

HCP = Cluster(id="1", name="hosted", hosted=True)


class Planning(PretendDriver):
    """`fails`: what it raises."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(PretendSettings(), fleet.world, DriverContext(name="rosa"))
        self.fails: Exception | None = None

    def planned(self, before: PoolSpec | None, after: PoolSpec) -> Sequence[PlannedChange]:
        if self.fails is not None:
            raise self.fails
        return planned("lab", "rosa", HCP, before, after)


def pool(**own: Any) -> PoolSpec:
    return pool_from_plain({"name": "gpu", "preset": "rosa_gpu_spot", **own})


@pytest.fixture
async def fleet(make_fleet: MakeFleet) -> Fleet:
    made = make_fleet("rosa")
    made.core.drivers["rosa"] = Planning(made)
    return made


def applied(fleet: Fleet, *pools: PoolSpec) -> ApplyAnswer:
    who = Principal(user="op", role=Role.OPERATOR)  # type: ignore[arg-type]
    request = ApplyRequest(pools=[pool_to_plain(each) for each in pools])
    return apply(fleet.core, who, request, Changes(), fleet.clock.now_ms(), dry_run=True)


def known(fleet: Fleet, spec: PoolSpec) -> None:
    store_pool(fleet.core, Changes(), spec, fleet.clock.now_ms())


async def test_a_new_pool_and_one_that_does_not_change(fleet: Fleet) -> None:
    (found,) = applied(fleet, pool()).changes
    assert [(each.driver, each.object, each.action) for each in found.provider] == [
        ("rosa", "machine pool gpu-spot", "create")
    ]
    known(fleet, pool())
    (same,) = applied(fleet, pool()).changes
    assert (same.change, same.provider) == ("unchanged", [])


async def test_it_is_shown_as_terraform_shows_it(fleet: Fleet) -> None:
    known(fleet, pool())
    after = pool(max_workers=5, labels={"team": "a"}, driver_options={"instance_type": "g5.xlarge"})
    lines = [*apply_lines(applied(fleet, after))]
    at = lines.index("  -/+ machine pool gpu-spot must be replaced")
    assert lines[at + 1 : -2] == [
        '      ~ instance_type    = "g4dn.xlarge" -> "g5.xlarge" # forces replacement',
        '      ~ max_replicas     = "3" -> "5"',
        '      - labels.node-type = "gpu"',
        '      + labels.team      = "a"',
    ]
    assert lines[-2].startswith("      # Herder does not delete a machine pool.")
    assert faults(lines[-2].removeprefix("      # ")) == []


async def test_only_a_terminal_gets_colours(fleet: Fleet) -> None:
    (line, *_) = [each for each in apply_lines(applied(fleet, pool())) if "machine pool" in each]
    for pretty, shown in (
        (False, f"{line}\n"),
        (True, f"{line.replace('+', chr(27) + '[32m+' + chr(27) + '[0m', 1)}\n"),
    ):
        out = io.StringIO()
        Printer(format=Format.TABLE, headers=True, pretty=pretty, out=out, now_s=0).prose(line, signed=True)
        assert out.getvalue() == shown
    out = io.StringIO()
    printer = Printer(format=Format.TABLE, headers=True, pretty=True, out=out, now_s=0)
    printer.prose("  -/+ machine pool a must be replaced", signed=True)
    printer.prose("With these pools - and others - the fleet costs $1.", signed=True)
    assert out.getvalue() == (
        "  \x1b[31m-/+\x1b[0m machine pool a must be replaced\nWith these pools - and others - the fleet costs $1.\n"
    )


async def test_what_can_be_no_machine_pool_is_refused_and_nothing_is_changed(fleet: Fleet) -> None:
    with pytest.raises(Invalid, match="lacks instance_type") as caught:
        applied(fleet, pool_from_plain({"name": "gpu", "driver": "rosa", "templates": ["small"]}))
    assert caught.value.field == "pools[gpu].driver_options"
    assert "gpu" not in fleet.core.state.pools


async def test_a_bug_of_the_driver_does_not_stop_an_apply(fleet: Fleet) -> None:
    driver = fleet.core.drivers["rosa"]
    assert isinstance(driver, Planning)
    driver.fails = KeyError("x")
    ((change,),) = [each.provider for each in applied(fleet, pool()).changes]
    assert change.note == "It is not known, because driver rosa has a bug in planned: KeyError: 'x'."
    driver.fails = InvalidRequest("No.")
    with pytest.raises(Invalid, match=r"No\."):
        applied(fleet, pool())
