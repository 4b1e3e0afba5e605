"""What is done with reports of use. A part of `Commands`."""

from contextlib import AbstractAsyncContextManager

from herder.control.kernel.core import Core
from herder.control.usage import corrections, intake
from herder.control.usage.corrections import Correction
from herder.control.usage.intake import Outcome
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.wire.api.resources import Result
from herder.wire.api.usage import TokensReport, UsageCorrection, UsageReport


class UsageCommands:
    _core: Core

    def usage_outcome(
        self, who: Principal, body: UsageReport | TokensReport
    ) -> AbstractAsyncContextManager[Outcome]:
        """What a report adds; held until it is durable. Raises Refused."""
        return intake.looked_up(self._core, who, body)

    def report_usage(
        self, who: Principal, outcome: Outcome, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> Result:
        return intake.put(self._core, who, outcome, changes, now_ms, dry_run=dry_run)

    def usage_correction(
        self, who: Principal, body: UsageCorrection
    ) -> AbstractAsyncContextManager[Correction]:
        """As `usage_outcome`."""
        return corrections.looked_up(self._core, who, body)

    def correct_usage(
        self,
        who: Principal,
        found: Correction,
        reason: str,
        changes: Changes,
        now_ms: int,
        *,
        dry_run: bool,
    ) -> Result:
        return corrections.put(self._core, who, found, reason, changes, now_ms, dry_run=dry_run)
