"""What moves between budgets: requests, reallocations and loans, decided by their approvers, repaid day by day."""

from herder.control.budgets.words import amount
from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets import transfers
from herder.model.stored.changes import Changes


def repay(core: Core, changes: Changes, now_ms: int) -> None:
    """The parts whose day has come, with an event each."""
    for transfer, part in transfers.repay(core.budgets, now_ms):
        unit = core.budgets.budgets[transfer.target].spec.unit
        text = (
            f"Budget {transfer.target} repaid {amount(part, unit)} to {transfer.source}; "
            f"{amount(transfer.amount - transfer.repaid, unit)} of {amount(transfer.amount, unit)} is still to be repaid."
        )
        record_event(core.state, changes, now_ms, "budget.repaid", f"budget/{transfer.target}", text)
    transfers.forget_old(core.budgets, now_ms)
    put_rows(core.budgets, changes, now_ms)
