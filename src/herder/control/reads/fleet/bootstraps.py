"""Views of bootstraps: whether each can be used, and what depends on it. From memory, but for the check."""

from herder.control.drivers.bootstraps import calling, upgrading
from herder.control.kernel.bootstrap_notes import BootstrapNotes
from herder.control.kernel.bounds.errors import NotReady
from herder.control.kernel.core import Core
from herder.model.fleet.driver import DriverError
from herder.model.values.phrases import clause, sentence
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.bootstraps import BootstrapChecks, BootstrapCheckView, BootstrapView
from herder.wire.api.resources import Page


def bootstrap_views(core: Core) -> list[BootstrapView]:
    return [_view(core, name) for name in sorted(core.bootstraps)]


def bootstrap_page(core: Core) -> Page:
    views = bootstrap_views(core)
    return Page(items=views, total=len(views))


def refused(core: Core) -> list[str]:
    """A sentence for each bootstrap whose credentials are refused."""
    return [life.refused for _, life in sorted(core.state.bootstraps.items()) if life.refused]


async def check_bootstrap(core: Core, name: str) -> BootstrapChecks:
    """Asks the bootstrap. Raises NotKnown and NotReady."""
    calling.check_known(core, name)
    try:
        found = await calling.checks(core, name)
    except DriverError as error:
        raise NotReady(sentence(f"Bootstrap {name} cannot be checked: {clause(error)}")) from None
    checks = [
        BootstrapCheckView(name=each.name, passed=each.passed, detail=each.detail, remedy=each.remedy)
        for each in (*found, *upgrading.versions(core, name))
    ]
    return BootstrapChecks(bootstrap=name, passed=all(each.passed for each in checks), checks=checks)


def _view(core: Core, name: str) -> BootstrapView:
    life, notes = core.state.bootstraps[name], core.bootstrap_notes.get(name) or BootstrapNotes()
    last = notes.last_error
    return BootstrapView(
        name=name,
        state="refused" if life.refused else "ready",
        reason=life.refused,
        since=iso(life.refused_at_ms) if life.refused else None,
        pools=sorted(pool.name for pool in core.state.pools.values() if pool.bootstrap == name),
        workers=sum(worker.spec.bootstrap == name for worker in core.state.workers.values()),
        waiting=len(life.troubles),
        unanswered=sum(bool(each.trouble) for each in notes.systems.values()),
        rungs=sorted(life.rungs),
        fingerprint=life.fingerprint,
        last_error="" if last is None else f"{last.verb} {last.worker}".strip() + f": {last.text}",
        last_error_at=None if last is None else iso_or_none(last.at_ms),
    )
