"""Shares of a machine's price are exact, sum to no more than the machine, and follow what is dear about it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.costs import cost
from herder.model.ids import BatchId, JobId, PoolName, UserName, WorkerName
from herder.model.values.money import PICO_PER_USD
from herder.model.values.resources import Resources
from herder.model.work.cost_share import price_per_hour
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage

HOUR_MS = 3_600_000
USD = PICO_PER_USD
SIZE = Resources(8000, 32 * 1024, 0, 0)


def machine(price: int = USD, size: Resources = SIZE, parts: int = 1) -> Machine:
    return Machine(WorkerName("w"), PoolName("p"), size, parts, price)


def attempt(made: Machine, request: Resources, from_ms: int = 0, to_ms: int = HOUR_MS) -> AttemptUsage:
    return AttemptUsage(made, UserName("ann"), "default", BatchId(1), JobId(1), 1, request, from_ms, to_ms)


def test_a_machine_costs_its_price_for_as_long_as_it_existed() -> None:
    assert cost(MachineUsage(machine(USD), 5, 5 + HOUR_MS // 2)) == USD // 2
    assert cost(MachineUsage(machine(USD), 10, 5)) == 0, "a clock that went back"


def test_who_takes_everything_pays_everything() -> None:
    whole = Resources(8000, 32 * 1024, 100, 2)
    assert price_per_hour(machine(3 * USD, whole), whole) == 3 * USD


def test_cpu_and_memory_are_weighed_by_their_list_rates() -> None:
    # 8 cores at 0.05 are 0.40, 32 GiB at 0.005 are 0.16: half of the cores are 0.20 of 0.56.
    assert price_per_hour(machine(56 * USD // 100), Resources(4000, 0, 0, 0)) == 20 * USD // 100
    assert price_per_hour(machine(56 * USD // 100), Resources(0, 16 * 1024, 0, 0)) == 8 * USD // 100


def test_a_job_on_the_gpu_pays_for_the_gpu() -> None:
    """10.56 $/h: 0.40 for the cores, 0.16 for the memory, so 10 for the two GPUs."""
    dear = machine(1056 * USD // 100, Resources(8000, 32 * 1024, 0, 2))
    assert price_per_hour(dear, Resources(0, 0, 0, 1)) == 5 * USD
    assert price_per_hour(dear, Resources(8000, 32 * 1024, 0, 0)) == 56 * USD // 100


def test_a_gpu_weighs_its_list_rate_where_the_price_leaves_less() -> None:
    cheap = machine(106 * USD // 1000, Resources(8000, 32 * 1024, 0, 1))
    assert price_per_hour(cheap, Resources(0, 0, 0, 1)) == 50 * USD // 1000


def test_parts_of_a_split_gpu_are_parts_of_its_price() -> None:
    split = machine(1056 * USD // 100, Resources(8000, 32 * 1024, 0, 8), parts=4)
    assert price_per_hour(split, Resources(0, 0, 0, 1)) == 10 * USD // 8


def test_a_free_machine_costs_nothing_and_a_request_above_the_machine_pays_the_whole() -> None:
    assert price_per_hour(machine(0), Resources(8000, 1, 0, 0)) == 0
    assert price_per_hour(machine(USD), Resources(10**9, 10**9, 0, 0)) == USD
    assert price_per_hour(machine(USD, Resources(0, 0, 0, 0)), Resources(0, 0, 0, 0)) == 0


sizes = st.builds(Resources, st.integers(1, 10**6), st.integers(1, 10**7), st.just(0), st.integers(0, 64))


@given(
    size=sizes, price=st.integers(0, 100 * USD), parts=st.integers(1, 8),
    cuts=st.lists(st.tuples(*(st.integers(0, 10**6),) * 3), min_size=1, max_size=5), ms=st.integers(0, 10**10),
)  # fmt: skip
def test_what_fits_together_costs_no_more_than_the_machine(
    size: Resources, price: int, parts: int, cuts: list[tuple[int, int, int]], ms: int
) -> None:
    """But for the rounding of each, half a pico-dollar."""
    made, left, paid = machine(price, size, parts), size, 0
    for cpu, memory, gpu in cuts:
        request = Resources(min(cpu, left.cpu_milli), min(memory, left.memory_mib), 0, min(gpu, left.gpu))
        left = left.minus(request)
        paid += cost(attempt(made, request, 0, ms))
    assert 0 <= paid <= cost(MachineUsage(made, 0, ms)) + Fraction(len(cuts) + 1, 2)


@given(size=sizes, price=st.integers(0, 100 * USD), data=st.data())
def test_more_never_costs_less(size: Resources, price: int, data: st.DataObject) -> None:
    made = machine(price, size)
    small = Resources(*(data.draw(st.integers(0, amount)) for amount in size))
    large = Resources(*(data.draw(st.integers(low, high)) for low, high in zip(small, size, strict=True)))
    assert cost(attempt(made, small)) <= cost(attempt(made, large))
    assert cost(attempt(made, small, 0, HOUR_MS)) <= cost(attempt(made, small, 0, 2 * HOUR_MS))


@pytest.mark.parametrize("ms", [1, 7, HOUR_MS])
def test_rounding_is_half_even_once(ms: int) -> None:
    made, request = machine(3, Resources(3000, 1024, 0, 0)), Resources(1000, 0, 0, 0)
    cores, gib = 3 * USD * 5 // 100, USD * 5 // 1000
    exact = Fraction(3 * cores, 3 * (cores + gib)) * Fraction(ms, HOUR_MS)
    assert cost(attempt(made, request, 0, ms)) == round(exact)
