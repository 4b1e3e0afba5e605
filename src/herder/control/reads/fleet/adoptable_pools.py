"""Asks a driver what exists at its provider that pools could adopt. For a person who looks; changes nothing."""

from dataclasses import replace

from herder.control.drivers.calling import ask, check_known
from herder.control.kernel.bounds.errors import Invalid, NotReady
from herder.control.kernel.core import Core
from herder.model.fleet.driver import Driver, DriverError
from herder.model.fleet.driver_capabilities import AdoptablePool, Imports
from herder.model.ids import PoolName
from herder.model.values.phrases import clause, counted, listed, sentence
from herder.wire.api.drivers import AdoptablePoolView, DriverImport


async def importable(core: Core, name: str) -> DriverImport:
    """Raises NotKnown, Invalid and NotReady."""
    check_known(core, name)
    driver = core.drivers.get(name)
    if driver is not None and not isinstance(driver, Imports):
        raise Invalid(f"Driver {name} cannot tell what pools could adopt.", hint=_who_can(core))
    try:
        found = await ask(core, name, "importable", _found, although_frozen=True)
    except DriverError as error:
        raise NotReady(sentence(f"Driver {name} cannot be asked: {clause(error)}")) from None
    return DriverImport(driver=name, pools=[_view(_named(core, each)) for each in found])


def _found(driver: Driver) -> list[AdoptablePool]:
    """In a thread of the driver."""
    assert isinstance(driver, Imports)
    return list(driver.importable())


def _who_can(core: Core) -> str:
    able = sorted(name for name, driver in core.drivers.items() if isinstance(driver, Imports))
    return f"{counted(len(able), 'driver')} can: {listed(able)}." if able else "Drivers of kind rosa can."


def _named(core: Core, pool: AdoptablePool) -> AdoptablePool:
    """Its name may be that of a pool which is something else."""
    if pool.used_by or PoolName(pool.name) not in core.state.pools:
        return pool
    taken = (
        f"This server has a pool {pool.name}: give this one another name, also in the label herder.dev/pool."
    )
    return replace(pool, needs=(taken, *pool.needs))


def _view(pool: AdoptablePool) -> AdoptablePoolView:
    return AdoptablePoolView(
        name=pool.name,
        settings=dict(pool.settings),
        used_by=pool.used_by,
        refused=pool.refused,
        needs=list(pool.needs),
        notes=list(pool.notes),
    )
