"""What is done with the ledger. A part of `Commands`."""

from herder.control.costs import months, report_schedules
from herder.control.kernel.core import Core
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.wire.api.cost_reports import ReportScheduleSet
from herder.wire.api.resources import Result


class CostCommands:
    _core: Core

    def close_month(self, who: Principal, month: str, changes: Changes, now_ms: int) -> Result:
        return months.close(self._core, who, month, changes, now_ms)

    def set_report_schedule(
        self, who: Principal, name: str, body: ReportScheduleSet, changes: Changes, now_ms: int
    ) -> Result:
        return report_schedules.set_schedule(self._core, who, name, body, changes, now_ms)

    def run_report_schedule(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        return report_schedules.run(self._core, who, name, changes, now_ms)

    def delete_report_schedule(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        return report_schedules.delete(self._core, who, name, changes, now_ms)
