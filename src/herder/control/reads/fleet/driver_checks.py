"""Asks a driver whether all that it needs is there: credentials, rights, tools. For a person who looks; changes nothing."""

from collections.abc import Sequence

from herder.control.drivers.calling import ask, check_known
from herder.control.kernel.bounds.errors import NotReady
from herder.control.kernel.core import Core
from herder.model.fleet.driver import Driver, DriverError
from herder.model.fleet.driver_capabilities import Check, Checks
from herder.model.values.phrases import clause, sentence
from herder.wire.api.clusters import ClusterCheckView
from herder.wire.api.drivers import DriverChecks


async def check_driver(core: Core, name: str) -> DriverChecks:
    """Raises NotKnown and NotReady."""
    check_known(core, name)
    try:
        found = await ask(core, name, "check", _checks, although_frozen=True)
    except DriverError as error:
        raise NotReady(sentence(f"Driver {name} cannot be checked: {clause(error)}")) from None
    checks = [
        ClusterCheckView(name=each.name, passed=each.passed, detail=each.detail, remedy=each.remedy)
        for each in found
    ]
    return DriverChecks(driver=name, passed=all(each.passed for each in checks), checks=checks)


def _checks(driver: Driver) -> Sequence[Check]:
    """In a thread of the driver."""
    if isinstance(driver, Checks):
        return driver.checks()
    driver.health()
    return (Check(name="provider", passed=True, detail="It answers."),)
