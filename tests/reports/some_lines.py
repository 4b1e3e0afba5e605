"""Lines of a ledger, as Hypothesis draws them and as tests write them."""

from __future__ import annotations

from hypothesis import strategies as st

from herder.ledger.lines import COST, UNITS, Kind, Line, Payer, Place
from herder.model.values.money import PICO_PER_USD

USD = PICO_PER_USD
DAY_MS = 86_400_000
NOVEMBER = 1_793_491_200_000
"""2026-11-01, UTC."""
ANN = Payer("research", "alpha", "ann")
BOB = Payer("research", "beta", "bob")
NOBODY = Payer()
CY = Payer("sales", "gamma", "cy")
WORKER = Place("burst", "burst-1-1", "small", "gcp", "europe-west1-b", "spot")


def machine(
    kind: Kind,
    pico: int | None,
    payer: Payer = NOBODY,
    *,
    day: int = 1,
    place: Place = WORKER,
    corrects: str = "",
) -> Line:
    """What a machine cost on a day of November 2026, at an hour for each dollar."""
    return Line(
        "2026-11", NOVEMBER + (day - 1) * DAY_MS, corrects, COST, kind, payer, place, "machine", "",
        3_600_000 * (pico or 0) // USD, "1000000000000", pico,
    )  # fmt: skip


def charge(
    card: str,
    resource: str,
    quantity: int,
    pico: int | None,
    payer: Payer = ANN,
    *,
    day: int = 1,
    product: str = "",
    corrects: str = "",
) -> Line:
    """What a rate card charges for use on a day of November 2026."""
    kind = Kind.WORKLOAD if resource in ("cpu", "memory", "gpu") else Kind.METERED
    rate = "" if pico is None else f"{card}-{resource}-1"
    return Line(
        "2026-11", NOVEMBER + (day - 1) * DAY_MS, corrects, card, kind, payer, Place(provider="reported"), resource, product,
        quantity, rate, pico,
    )  # fmt: skip


names = st.text("abz-019=+@'", max_size=6)
lines = st.builds(
    Line,
    st.sampled_from(["2026-11", "2026-12", "2027-01"]),
    st.integers(0, 92).map(lambda day: NOVEMBER + day * DAY_MS),
    st.sampled_from(["", "2026-10", "2026-11"]),
    st.sampled_from([COST, "internal", "external"]),
    st.sampled_from(Kind),
    st.builds(Payer, names, names, names),
    st.builds(Place, names, names, names, names, names, st.sampled_from(["", "spot", "on-demand"])),
    st.sampled_from([*UNITS, "tokens.input", "tokens.cache_read", "licences"]),
    st.sampled_from(["", "claude-sonnet-4.5", 'a "quoted", model']),
    st.integers(min_value=-(10**12), max_value=10**24),
    st.sampled_from(["", "r-1", "70000000000"]),
    st.none() | st.integers(min_value=-(10**15), max_value=10**24),
)
