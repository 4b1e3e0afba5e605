"""What is done with rates. A part of `Commands`."""

from contextlib import AbstractAsyncContextManager

from herder.control.kernel.core import Core
from herder.control.rates import adding
from herder.control.rates.adding import KnownRates
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.wire.api.rates import RatesAdd, RatesAnswer


class RateCommands:
    _core: Core

    def known_rates(self, who: Principal, body: RatesAdd) -> AbstractAsyncContextManager[KnownRates]:
        """Before rates are added; held until they are durable. Raises Refused."""
        return adding.looked_up(self._core, who, body)

    def add_rates(
        self, who: Principal, body: RatesAdd, known: KnownRates, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> RatesAnswer:  # fmt: skip
        return adding.add(self._core, who, body, known, changes, now_ms, dry_run=dry_run)
