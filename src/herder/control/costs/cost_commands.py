"""What is done with the ledger. A part of `Commands`."""

from herder.control.costs import months
from herder.control.kernel.core import Core
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.wire.api.resources import Result


class CostCommands:
    _core: Core

    def close_month(self, who: Principal, month: str, changes: Changes, now_ms: int) -> Result:
        return months.close(self._core, who, month, changes, now_ms)
