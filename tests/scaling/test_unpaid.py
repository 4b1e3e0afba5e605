"""Which workers go when a budget cannot pay for all: the lowest value first, and no more than it takes."""

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.scaling.scale_down.unpaid import Payee, given_up
from herder.model.ids import WorkerName


def payee(name: str, needs: int, returns: int, value: int) -> Payee:
    return Payee(worker=WorkerName(name), needs=needs, returns=returns, value=(value,))


def test_the_lowest_value_goes_although_another_has_to_renew() -> None:
    low, high = payee("low", 0, 8, value=1), payee("high", 5, 2, value=9)
    assert given_up([high, low], left=0) == ("low",)


def test_nobody_goes_where_what_comes_back_pays() -> None:
    assert given_up([payee("a", 5, 2, value=1)], left=5) == ()


def test_who_neither_needs_nor_returns_anything_is_left_alone() -> None:
    assert given_up([payee("free", 0, 0, value=0), payee("a", 5, 0, value=1)], left=0) == ("a",)


@st.composite
def payees(draw: st.DrawFn) -> list[Payee]:
    amounts = st.integers(0, 20)
    return [
        payee(f"w{n}", draw(amounts), draw(amounts), draw(st.integers(0, 3)))
        for n in range(draw(st.integers(0, 8)))
    ]


@given(some=payees(), left=st.integers(-30, 60))
def test_those_who_stay_are_paid_and_no_fewer_would_do(some: list[Payee], left: int) -> None:
    going = given_up(some, left)

    def short(gone: tuple[WorkerName, ...]) -> bool:
        needs = sum(each.needs for each in some if each.worker not in gone)
        return needs > left + sum(each.returns for each in some if each.worker in gone)

    involved = [each for each in some if each.needs or each.returns]
    assert not short(going) or len(going) == len(involved)
    assert not going or short(going[:-1])
    worst = max((each.value for each in some if each.worker in going), default=(-1,))
    assert all(each.value >= worst for each in involved if each.worker not in going)
