"""From use to lines: what a machine cost is all of its parts, groups sum to the whole, rates are exact, and closed months stay as they are."""

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.lines import COST, DIMENSIONS, Kind, Line, sums_by, text_of
from herder.ledger.months import begin_of
from herder.ledger.pricing import Month, Payers, Project, amounts_of, corrections_of, lines_of
from herder.ledger.quantities import DAY_MS, MachineDay, MeteredDay, WorkDay
from herder.ledger.rates import Rate, RateList, Subject, Tier
from herder.model.values.money import cost_of
from herder.store.rows.month_rows import line_from

NOVEMBER = begin_of("2026-11")
PAYERS = Payers({"alpha": Project("research", "external"), "beta": Project("research"), "gamma": Project()})
MACHINES = {"w1": (7, 120_000_000_001), "w2": (10**30 + 1, 3), "w3": (840, 0)}
"""Size in weights, and pico-USD an hour."""
Row = MachineDay | WorkDay | MeteredDay


def rate(
    card: str,
    resource: str,
    price: Fraction,
    *,
    day: int = 0,
    product: str = "",
    tiers: tuple[Tier, ...] = (),
) -> Rate:
    return Rate(
        id=f"{card}/{resource}/{product}/{day}",
        subject=Subject(card, resource, product),
        from_ms=NOVEMBER + day * DAY_MS,
        tiers=tiers or (Tier(0, price),),
    )


RATES = RateList.of(
    [
        rate("internal", "cpu", Fraction(50, 3600)),
        rate("internal", "cpu", Fraction(70, 3600), day=2),
        rate("external", "cpu", Fraction(75, 3600)),
        rate("internal", "memory", Fraction(5, 3_686)),
        rate("internal", "network.egress", Fraction(0), tiers=(Tier(0, Fraction(90)), Tier(10**7, Fraction(85)), Tier(5 * 10**7, Fraction(70)))),
        rate("internal", "tokens.input", Fraction(3 * 10**6), product="sonnet"),
        rate("external", "tokens.input", Fraction(36 * 10**5), product="sonnet"),
    ]
)  # fmt: skip


@st.composite
def machine_days(draw: st.DrawFn) -> list[Row]:
    """A worker on one day with the work on it: at times more than it had room for."""
    day_ms, worker = NOVEMBER + draw(st.integers(0, 4)) * DAY_MS, draw(st.sampled_from(sorted(MACHINES)))
    ms = draw(st.integers(0, DAY_MS))
    size, price = MACHINES[worker]
    booked = "2026-11"
    rows: list[Row] = [
        MachineDay(
            day_ms, booked, worker, "burst", "small", "proxmox", "", "on-demand",
            price, ms, draw(st.integers(0, ms)), size * ms,
        )
    ]  # fmt: skip
    for user, project in draw(
        st.sets(st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(["alpha", "beta", "delta"])))
    ):
        share = draw(st.integers(0, size))
        worked = draw(st.integers(0, ms))
        rows.append(
            WorkDay(
                day_ms,
                booked,
                worker,
                user,
                project,
                1,
                worked,
                1_000 * worked,
                512 * worked,
                0,
                share * worked,
            )
        )
    return rows


metered = st.builds(
    MeteredDay,
    st.integers(0, 4).map(lambda day: NOVEMBER + day * DAY_MS),
    st.just("2026-11"),
    st.just("gateway"),
    st.sampled_from(["tokens.input", "network.egress", "tokens.unknown"]),
    st.sampled_from(["sonnet", "other", ""]),
    st.just(""),
    st.sampled_from(["alpha", "beta"]),
    st.just("ann"),
    st.integers(0, 10**8),
)
uses = st.tuples(st.lists(machine_days(), max_size=5), st.lists(metered, max_size=5)).map(
    lambda both: [*(row for rows in both[0] for row in rows), *both[1]]
)


def month_of_rows(rows: list[Row]) -> Month:
    use = Month()
    for row in rows:
        use.add(row)
    return use


def lines(rows: list[Row], rates: RateList = RATES) -> list[Line]:
    return lines_of("2026-11", month_of_rows(rows), rates, PAYERS)


@given(uses)
def test_a_machine_costs_work_idle_and_overhead(rows: list[Row]) -> None:
    use, found = month_of_rows(rows), lines(rows)
    for (day_ms, worker), machine in use.machines.items():
        parts = [
            line
            for line in found
            if line.card == COST and (line.day_ms, line.place.worker) == (day_ms, worker)
        ]
        assert all(line.pico is not None and line.pico >= 0 and line.quantity >= 0 for line in parts)
        assert sum(line.pico or 0 for line in parts) == cost_of(machine.price_pico_per_hour, machine.ms)
        assert sum(line.quantity for line in parts) == machine.ms
        idle = sum(line.pico or 0 for line in parts if line.kind is Kind.IDLE)
        assert 0 <= idle <= cost_of(machine.price_pico_per_hour, machine.ms)


@given(uses)
def test_the_sums_of_every_grouping_are_the_whole(rows: list[Row]) -> None:
    found = lines(rows)
    whole = sum(line.pico or 0 for line in found)
    dimensions = ("division", "project", "user", "pool", "resource")
    assert set(dimensions) <= set(DIMENSIONS)
    for size in range(len(dimensions) + 1):
        for chosen in combinations(dimensions, size):
            groups = sums_by(found, *chosen).values()
            assert sum(group.pico for group in groups) == whole


@given(uses, st.randoms())
def test_neither_order_nor_slices_change_a_line(rows: list[Row], dice: object) -> None:
    """Each row comes in two parts, in any order."""
    halves: list[Row] = []
    for row in rows:
        if isinstance(row, WorkDay):
            one = WorkDay(*row[:5], *(each // 3 for each in row[5:]))
            halves += [
                one,
                WorkDay(*row[:5], *(whole - part for whole, part in zip(row[5:], one[5:], strict=True))),
            ]
        elif isinstance(row, MeteredDay):
            halves += [
                row._replace(quantity=row.quantity // 3),
                row._replace(quantity=row.quantity - row.quantity // 3),
            ]
        else:
            halves.append(row)
    dice.shuffle(halves)  # type: ignore[attr-defined]
    once = [row for row in halves if isinstance(row, MachineDay)]
    rest = [row for row in halves if not isinstance(row, MachineDay)]
    assert lines([*rest, *once]) == lines(rows)


def test_use_without_a_rate_is_unpriced_and_not_free() -> None:
    found = lines([MeteredDay(NOVEMBER, "2026-11", "gateway", "tokens.output", "opus", "", "beta", "ann", 7)])
    assert [(line.card, line.pico, line.rate, line.quantity) for line in found] == [
        (COST, None, "", 7),
        ("internal", None, "", 7),
    ]
    ((total, sums),) = [(key, each) for key, each in sums_by(found).items()]
    assert (total, sums.pico, sums.unpriced) == ((), 0, {"tokens.output": 14})


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=6))
def test_tiers_are_graduated_over_the_month(amounts: list[int]) -> None:
    rows: list[Row] = [
        MeteredDay(
            NOVEMBER + day * DAY_MS, "2026-11", "gateway", "network.egress", "", "", "beta", "ann", amount
        )
        for day, amount in enumerate(amounts)
    ]
    found = [line for line in lines(rows) if line.card == "internal"]
    total, expected = sum(amounts), 0
    for above, upto, price in ((0, 10**7, 90), (10**7, 5 * 10**7, 85), (5 * 10**7, None, 70)):
        expected += price * max(0, (total if upto is None else min(total, upto)) - above)
    assert sum(line.pico or 0 for line in found) == expected


@given(uses, uses, uses)
def test_a_closed_month_stays_and_its_corrections_make_it_right(
    first: list[Row], second: list[Row], third: list[Row]
) -> None:
    """What comes late, in two months after the close, and a rate that is added: the lines of all months sum to what would have been booked in time."""
    later = RateList.of([*RATES.all(), rate("internal", "tokens.output", Fraction(9), product="other")])
    known = [first, [*first, *second], [*first, *second, *third]]
    booked = lines(known[0])
    steps = [
        amounts_of(month_of_rows(rows), rates, PAYERS)
        for rows, rates in zip(known, (RATES, RATES, later), strict=True)
    ]
    corrections = [
        *corrections_of("2026-12", "2026-11", steps[0], steps[1]),
        *corrections_of("2027-01", "2026-11", steps[1], steps[2]),
    ]
    assert all(line.corrects == "2026-11" and line.period > "2026-11" for line in corrections)
    right = lines(known[2], later)
    assert sum(line.pico or 0 for line in [*booked, *corrections]) == sum(line.pico or 0 for line in right)
    assert booked == lines(first), "the closed month"


@given(uses)
def test_a_line_is_read_as_it_was_written(rows: list[Row]) -> None:
    found = lines(rows)
    assert [line_from(text_of(line)) for line in found] == found
    assert len({line.id for line in found}) == len(found)
