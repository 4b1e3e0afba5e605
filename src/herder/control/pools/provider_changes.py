"""What new settings of pools mean at their providers, as their drivers say it. Called by `pool_actions` when pools are applied; calls no provider."""

import logging
from collections.abc import Iterator

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import PlannedChange, Plans
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import clause
from herder.wire.api.resources import ProviderChangeView, ProviderFieldView

log = logging.getLogger(__name__)


def provider_changes(core: Core, before: PoolSpec | None, after: PoolSpec) -> Iterator[ProviderChangeView]:
    """Raises Invalid when a driver can do nothing with the pool."""
    names = {*after.drivers, *(before.drivers if before is not None else ())}
    for name in sorted(names):
        driver: object = core.drivers.get(name)
        if not isinstance(driver, Plans):
            continue
        try:
            yield from [_view(name, change) for change in driver.planned(before, after)]
        except InvalidRequest as error:
            field = f"pools[{after.name}].driver_options"
            raise Invalid(str(error), field=field, hint="Nothing was applied.") from None
        except Exception as error:
            log.exception("Driver %s failed in planned.", name)
            note = f"It is not known, because driver {name} has a bug in planned: {type(error).__name__}: {clause(error)}."
            yield ProviderChangeView(
                driver=name, object=f"driver {name}", action="update", fields=[], note=note
            )


def _view(driver: str, change: PlannedChange) -> ProviderChangeView:
    return ProviderChangeView(
        driver=driver,
        object=change.object,
        action=change.action.value,
        fields=[
            ProviderFieldView(
                name=each.name, before=each.before, after=each.after, forces_replacement=each.replaces
            )
            for each in change.fields
        ],
        note=change.note,
    )
