"""Which of the reasons of a class holds this job of it, so that a job that waits for a budget has no expected start."""

import pytest

from herder.control.reads.explanations.explain import limits_where_they_bind
from herder.model.planning.plan import Reason, ReasonKind

OF_POOL = Reason(kind=ReasonKind.BUDGET, text="Budget of a pool.", evidence=(("budget", "burst"),))
UNPAID = Reason(kind=ReasonKind.BUDGET, text="Unpaid.", evidence=(("held_back", 2),))
QUOTA = Reason(kind=ReasonKind.QUOTA, text="Quota.", evidence=(("held_back", 1),))


@pytest.mark.parametrize(
    ("before", "first", "bound"),
    [
        (0, [OF_POOL, UNPAID, QUOTA], False),
        (3, [UNPAID, OF_POOL, QUOTA], True),
        (4, [UNPAID, QUOTA, OF_POOL], True),
        (None, [UNPAID, QUOTA, OF_POOL], True),
    ],
)
def test_a_budget_of_an_account_holds_back_the_last_jobs(
    before: int | None, first: list[Reason], bound: bool
) -> None:
    found, binds = limits_where_they_bind((OF_POOL, UNPAID, QUOTA), 5, before)
    assert (list(found), binds) == (first, bound)


def test_the_budget_of_a_pool_does_not_hold_back_a_job_by_itself() -> None:
    assert limits_where_they_bind((OF_POOL,), 5, 4) == ((OF_POOL,), False)
