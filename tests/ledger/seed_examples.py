"""Every example with a figure in Cortex' documents on costs, recomputed with the ledger's own functions: what the documents say, and what is right.

Used by `test_seed_examples.py`, which compares them with the tables of `docs/how-to/costs-of-cortex.md`.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from herder.analysis.optimisation.decomposition import explain
from herder.analysis.optimisation.facts import ModelUse, Stored
from herder.analysis.optimisation.recommendations import Evidence
from herder.analysis.optimisation.returns import Return, Value, cost_per_hour_saved, scenario
from herder.analysis.optimisation.rules import recommendations
from herder.ledger.alerts.readings import Rate as Speed
from herder.ledger.alerts.readings import Reading, ms_to, ms_until_full, outlook
from herder.ledger.lines import unit_of
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import Rate, RateList, Subject, Tier
from herder.ledger.splits import split
from herder.model.values.money import MS_PER_HOUR, cost_of, format_usd, parse_usd

MILLION, SONNET, OPUS, HAIKU = 1_000_000, "claude-sonnet-4.5", "claude-opus-4.5", "claude-haiku-3.5"
#: (input, output, cache write, cache read), dollars a million tokens.
MODELS = {
    OPUS: ("15", "75", "18.75", "1.50"),
    SONNET: ("3", "15", "3.75", "0.30"),
    HAIKU: ("0.80", "4", "1.00", "0.08"),
}
KINDS = ("input", "output", "cache_write", "cache_read")
PRICES = {
    "cpu": "0.05", "memory": "0.005", "gpu": "0.50", "storage.hot": "0.023", "storage.warm": "0.012",
    "storage.cold": "0.004", "network.intra": "0", "network.inter": "0.02", "network.egress": "0.09",
}  # fmt: skip
MONTH = 30


def usd(text: str) -> int:
    return parse_usd(text)


def _rate(resource: str, price: str, product: str = "", per: int = 1) -> Rate:
    unit = unit_of(resource)
    assert unit is not None
    tier = Tier(0, Fraction(usd(price), unit.base * per))
    return Rate(
        id=f"{resource}/{product}",
        subject=Subject("internal", resource, product),
        from_ms=0,
        tiers=(tier,),
    )


CARD = RateList.of(
    [
        *(_rate(resource, price) for resource, price in PRICES.items()),
        *(
            _rate(f"tokens.{kind}", price, model, MILLION)
            for model, prices in MODELS.items()
            for kind, price in zip(KINDS, prices, strict=True)
        ),
    ]
)


def cost(resource: str, amount: str | int, product: str = "") -> int:
    """Pico-USD of so many of its units (core-hours, GB-months, tokens)."""
    unit = unit_of(resource)
    rate = CARD.at(Subject("internal", resource, product), 0)
    assert unit is not None
    assert rate is not None
    return rate.booked(0, int(Fraction(amount) * unit.base))


def tokens(model: str, **kinds: int) -> int:
    return sum(cost(f"tokens.{kind}", count, model) for kind, count in kinds.items())


def mixed(count: int, model: str = SONNET) -> int:
    """60 % input, 40 % output."""
    parts = split(count, {"input": 60, "output": 40})
    return tokens(model, input=parts["input"], output=parts["output"])


def machine(cpu: int, memory: int, gpu: int = 0) -> int:
    return cost("cpu", cpu) + cost("memory", memory) + cost("gpu", gpu)


def percent(part: Fraction | int, whole: Fraction | int, places: int = 1) -> str:
    """Half up, as people round."""
    scaled = Fraction(part) * 100 * 10**places / whole
    rounded = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return f"{rounded / 10**places:.{places}f} %"


def d(pico: int, places: int = 2) -> str:
    return format_usd(pico, places)


def total(*amounts: str) -> int:
    return sum(usd(each) for each in amounts)


class Example(NamedTuple):
    place: str
    said: str
    right: Callable[[], str]


def _alert(rate: Speed | None = None) -> Reading:
    at_ms = (14 * 60 + 35) * 60_000 + 22_000
    return Reading("token-budget-warning", "division/monitoring", 0, DAY_MS, at_ms, 13_650, 18_000, rate)


def _executive_end_of_day() -> str:
    at_ms = DAY_MS - (6 * 60 + 15) * 60_000
    found = outlook(Reading("token-budget-warning", "", 0, DAY_MS, at_ms, 152_500, 200_000)).projected
    assert found is not None
    return f"{found:,} ({percent(found, 200_000)})"


def _opt_1(model: str) -> int:
    return 450 * tokens(model, input=800, output=50)


def _opt_1_saving() -> int:
    fact = ModelUse(
        "intelligence", "classification", SONNET, False, 50, MONTH * _opt_1(SONNET), MONTH * _opt_1(HAIKU),
        Evidence(observed=50, supporting=50),
    )  # fmt: skip
    (found,) = recommendations([fact])
    return found.saving_pico


def _tier(tier: str, colder: str, gb: int) -> int:
    now, then = cost(f"storage.{tier}", gb), cost(f"storage.{colder}", gb)
    fact = Stored("logs", tier, 100, None, now, then, Evidence(observed=20, supporting=20))
    (found,) = recommendations([fact])
    return found.saving_pico


def _cached(count: int) -> int:
    return tokens(SONNET, input=count) - tokens(SONNET, cache_read=count)


SHOWBACK = {
    "tokens": lambda: mixed(387_500),
    "compute": lambda: cost("cpu", "145.5") + cost("memory", 1_164),
    "storage": lambda: cost("storage.hot", "185.2"),
    "network": lambda: cost("network.egress", "18.5"),
}
CHARGEBACK = {
    "tokens": lambda: tokens(SONNET, input=510_000, output=340_000),
    "compute": lambda: cost("cpu", 284) + cost("memory", 2_272),
    "storage": lambda: cost("storage.hot", str(Fraction("425.8") * 14 / 30)),
    "network": lambda: cost("network.egress", "42.5"),
    "third parties": lambda: usd("12.50"),
}
NOVEMBER = {
    "containers": "339.42", "monitoring": "315.81", "infrastructure": "280.72", "workflows": "210.54",
    "configuration": "175.45", "intelligence": "140.36",
}  # fmt: skip
MATRIX = {
    "infrastructure": ("8.40", "3.75", "0.85", "0.45"),
    "containers": ("7.05", "3.09", "0.85", "0.33"),
    "workflows": ("5.64", "1.85", "0.45", "0.28"),
    "configuration": ("4.70", "1.25", "0.35", "0.15"),
    "monitoring": ("8.46", "2.43", "0.65", "0.25"),
    "intelligence": ("3.76", "0.95", "0.95", "0.18"),
}
YEAR = {"tokens": usd("18000"), "other": usd("4500")}
VALUE = Value(Fraction(8_450), usd("75"), usd("45000"), usd("28000"))
ROI = Return(usd("21340"), VALUE.pico, 365)


def _sum(parts: dict[str, Callable[[], int]]) -> int:
    return sum(each() for each in parts.values())


def _drivers() -> int:
    usual = {"clusters": 0, "monitoring": 0, "development": 0, "storage": usd("8.50")}
    actual = {"clusters": usd("16.98"), "monitoring": usd("31.59"), "development": usd("22.45"), "storage": 0}
    return explain("driver", usual, actual).change_pico


def _hours(ms: int | None) -> str:
    assert ms is not None
    return f"{ms / MS_PER_HOUR:.1f} h"


def _days_until_full() -> str:
    found = ms_until_full(5_000, 2_458, 23)
    assert found is not None
    return f"{found / DAY_MS:.1f} days"


def _alert_end_of_day() -> str:
    return f"{outlook(_alert()).projected:,}"


def _roi_percent() -> str:
    assert ROI.percent is not None
    return f"{round(ROI.percent):,} %"


def _payback() -> str:
    assert ROI.payback_days is not None
    return f"{round(ROI.payback_days)} days"


def _growth() -> str:
    return percent(Fraction(115, 100) * Fraction(92, 100) * Fraction(112, 100) - 1, 1)


def _tracking() -> str:
    return f"{percent(Fraction(18, 18 + 5), 1)}, {percent(Fraction(usd('42.35'), usd('48.20')), 1)}"


def _table_of_tokens() -> str:
    divisions, services = 20 + 15 + 12 + 10 + 18 + 8, 25 + 30 + 15 + 10 + 20
    return f"{1000 * (divisions + services + 10 + 5 + 2):,}"


#: How each division splits its tokens.
SHARES = {"coordination": 20, "contractors": 60, "reporting": 10, "emergency": 10}
EXAMPLES = (
    Example("tokens of cortex-prime on 2025-12-09", "$2.82000", lambda: d(tokens(OPUS, input=45_000, output=28_000, cache_write=3_000, cache_read=12_000), 5)),
    Example("its cache write of 3,000 tokens", "$0.04500", lambda: d(tokens(OPUS, cache_write=3_000), 5)),
    Example("saving of 45,000 tokens read from the cache", "$0.1350", lambda: d(_cached(45_000), 4)),
    Example("the same less the cost of the cache", "$0.0900", lambda: d(_cached(45_000) - tokens(SONNET, cache_write=12_000), 4)),
    Example("200,000 tokens a day, in 30 days", "$46.80", lambda: d(mixed(MONTH * 200_000))),
    Example("the same in a day (time series)", "$46.80", lambda: d(mixed(200_000))),
    Example("18,500 tokens for 125 tasks", "$0.1443", lambda: d(mixed(18_500), 4)),
    Example("cost of one of these tasks", "$0.00115", lambda: d(mixed(18_500) // 125, 5)),
    Example("18,500 of 20,000 tokens", "92.5 %", lambda: percent(18_500, 20_000)),
    Example("18,500 tokens against a mean of 16,800", "10.1 %", lambda: percent(1_700, 16_800)),
    Example("48.5 core-hours", "$2.425", lambda: d(cost("cpu", "48.5"), 3)),
    Example("186.5 core-hours", "$9.325", lambda: d(cost("cpu", "186.5"), 3)),
    Example("4 cores for 12.5 hours", "$2.50", lambda: d(cost("cpu", 50))),
    Example("8 GB for 18 hours", "$0.72", lambda: d(cost("memory", 144))),
    Example("inventory-master from 8 to 4 GB, a month", "$21.60", lambda: d(cost("memory", 4 * 720))),
    Example("245.8 GB hot", "$5.65", lambda: d(cost("storage.hot", "245.8"))),
    Example("1,240.5 GB warm", "$14.89", lambda: d(cost("storage.warm", "1240.5"))),
    Example("3,850.2 GB cold", "$15.40", lambda: d(cost("storage.cold", "3850.2"))),
    Example("all three tiers", "$35.94", lambda: d(cost("storage.hot", "245.8") + cost("storage.warm", "1240.5") + cost("storage.cold", "3850.2"))),
    Example("storage is full in", "110.5 days", _days_until_full),
    Example("80 GB from hot to warm, a month", "$0.88", lambda: d(_tier("hot", "warm", 80))),
    Example("from hot to warm saves", "47.8 %", lambda: percent(_tier("hot", "warm", 1), cost("storage.hot", 1))),
    Example("from warm to cold saves", "66.7 %", lambda: percent(_tier("warm", "cold", 1), cost("storage.warm", 1))),
    Example("65.2 GB less by compression", "$1.50", lambda: d(cost("storage.hot", "65.2"))),
    Example("145.8 GB of warm logs deleted", "$1.75", lambda: d(cost("storage.warm", "145.8"))),
    Example("12.5 GB between regions", "$0.25", lambda: d(cost("network.inter", "12.5"))),
    Example("8.3 GB to the internet", "$0.747", lambda: d(cost("network.egress", "8.3"), 3)),
    Example("saved by caching answers, a month", "$5.94", lambda: d(cost("network.egress", str(MONTH * Fraction("2.2"))))),
    Example("saved by compressing webhooks, a month", "$5.18", lambda: d(cost("network.egress", str(MONTH * Fraction("1.92"))))),
    Example("saved by placing data nearby, a month", "$4.80", lambda: d(cost("network.inter", 240))),
    Example("the budget of tokens a day", "200,000", _table_of_tokens),
    Example("coordination of infrastructure", "4,000", lambda: f"{split(20_000, SHARES)['coordination']:,}"),
    Example("contractors of workflows", "7,200", lambda: f"{split(12_000, SHARES)['contractors']:,}"),
    Example("emergency reserve of 200,000 tokens", "2,000", lambda: f"{split(200_000, {'reserve': 1, 'rest': 99})['reserve']:,}"),
    Example("k8s-cluster-migration, 14 days", "350,000", lambda: f"{14 * (15_000 + 5_000 + 5_000):,}"),
    Example("… used after 3 days", "68,500", lambda: f"{22_500 + 24_800 + 21_200:,}"),
    Example("… at this rate in the end", "315,000", lambda: f"{outlook(Reading('', '', 0, 14 * DAY_MS, 3 * DAY_MS, 68_500, 350_000)).projected:,}"),
    Example("monitoring has used 13,650 of 18,000 tokens", "75.8 %", lambda: percent(13_650, 18_000)),
    Example("… at the end of the day", "22,500", _alert_end_of_day),
    Example("… until 16,200 at 800 an hour", "3.2 h", lambda: _hours(ms_to(_alert(Speed(800, MS_PER_HOUR)), 16_200))),
    Example("showback of containers: tokens", "$7.05", lambda: d(SHOWBACK["tokens"]())),
    Example("… compute", "$3.09", lambda: d(SHOWBACK["compute"](), 3).rstrip("0")),
    Example("… storage", "$0.85", lambda: d(SHOWBACK["storage"]())),
    Example("… network", "$0.33", lambda: d(SHOWBACK["network"](), 3)),
    Example("… total", "$11.32", lambda: d(_sum(SHOWBACK))),
    Example("chargeback of k8s-migration: tokens", "$6.63", lambda: d(CHARGEBACK["tokens"]())),
    Example("… cores and memory", "$25.56", lambda: d(CHARGEBACK["compute"]())),
    Example("… 425.8 GB hot for 14 days", "$0.45", lambda: d(CHARGEBACK["storage"]())),
    Example("… 42.5 GB to the internet", "$3.83", lambda: d(CHARGEBACK["network"](), 3)),
    Example("… all of it", "$48.97", lambda: d(_sum(CHARGEBACK))),
    Example("… against $55.00", "-11.0 %", lambda: percent(_sum(CHARGEBACK) - usd("55"), usd("55"))),
    Example("a core-hour for others, 20 % more", "$0.075", lambda: d(cost("cpu", 1) * 120 // 100, 3)),
    Example("a million input tokens for others, 20 % more", "$3.60", lambda: d(tokens(SONNET, input=MILLION) * 120 // 100)),
    Example("… and a million output tokens", "$18.00", lambda: d(tokens(SONNET, output=MILLION) * 120 // 100)),
    Example("opt-001: 450 tasks a day on Sonnet", "$0.68", lambda: d(_opt_1(SONNET))),
    Example("… on Haiku", "$0.18", lambda: d(_opt_1(HAIKU))),
    Example("… saved a month", "$15.00", lambda: d(_opt_1_saving())),
    Example("… of the cost", "73.5 %", lambda: percent(_opt_1_saving(), MONTH * _opt_1(SONNET))),
    Example("from Opus to Sonnet saves", "80.0 %", lambda: percent(mixed(MILLION, OPUS) - mixed(MILLION), mixed(MILLION, OPUS))),
    Example("opt-002: 95,000 tokens a day, a month", "$8.55", lambda: d(MONTH * _cached(95_000), 3)),
    Example("opt-003: 280,800 tokens a day, a month", "$25.20", lambda: d(MONTH * tokens(SONNET, input=280_800))),
    Example("opt-004: what is unread for 30 days, a month", "$1.10", lambda: d(cost("storage.hot", "31.5") - cost("storage.warm", "31.5"))),
    Example("all recommendations together", "$50.85", lambda: d(total("15", "8.55", "25.20", "1.10"))),
    Example("carried out, and saved of what was projected", "78.3 %, 87.9 %", _tracking),
    Example("9 December", "$58.45", lambda: d(total("46.80", "9.25", "1.20", "1.20"))),
    Example("cost of a task on that day", "$0.01205", lambda: d(usd("58.45") // 4_850, 5)),
    Example("8 December", "$62.15", lambda: d(total("51.20", "8.45", "1.25", "1.25"))),
    Example("$78.50 where $42 to $52 are expected", "51.0 %", lambda: percent(usd("78.50") - usd("52"), usd("52"))),
    Example("November by category", "$1,754.50", lambda: d(total("1404", "277.50", "35.10", "37.90"))),
    Example("November by division", "$1,754.50", lambda: d(total(*NOVEMBER.values()))),
    Example("November by activity", "$1,754.50", lambda: d(total("526.35", "438.63", "350.90", "263.18", "175.45"))),
    Example("December against November", "$88.00", lambda: d(usd("1842.50") - usd("1754.50"))),
    Example("its drivers of change", "$88.00", lambda: d(_drivers())),
    Example("forecast of 10 December by category", "$59.20", lambda: d(total("47.35", "9.40", "1.22", "1.23"))),
    Example("$1,825 against a budget of $1,800", "1.4 %", lambda: percent(25, 1_800)),
    Example("January: 3 % and 5 % more than $1,825", "$1,920.00", lambda: d(usd("1825") * 108 // 100)),
    Example("quarters of 2026", "$22,500.00", lambda: d(total("5400", "5600", "5250", "6250"))),
    Example("contingency of 5 %", "$1,125.00", lambda: d(split(usd("22500"), {"plan": 95, "contingency": 5})["contingency"])),
    Example("growth of 15 %, -8 % and 12 %", "19.0 %", _growth),
    Example("scenario of growth, 40 % more", "$31,500.00", lambda: d(scenario(YEAR, {"tokens": 40, "other": 40}))),
    Example("scenario of optimisation, 20 % less", "$18,000.00", lambda: d(scenario(YEAR, {"tokens": -20, "other": -20}))),
    Example("scenario of tokens that cost 15 % more", "$25,875.00", lambda: d(scenario(YEAR, {"tokens": 15}))),
    Example("value of 2025", "$706,750.00", lambda: d(VALUE.pico)),
    Example("return on $21,340", "3,212 %", _roi_percent),
    Example("paid back after", "11 days", _payback),
    Example("cost of an hour that was saved", "$2.53", lambda: d(cost_per_hour_saved(ROI, VALUE) or 0)),
    Example("Executive view: end of the day", "185,200 (92.6 %)", _executive_end_of_day),
    Example("… month to date", "$1,579.05", lambda: d(total("1263.60", "249.75", "31.59", "34.11"))),
    Example("Division view: used by contractor", "16,020", lambda: f"{12_500 + 2_100 + 920 + 500:,}"),
    Example("… tokens of a task", "86.6", lambda: f"{16_020 / 185:.1f}"),
    Example("… can be saved a day", "375,000 tokens", lambda: f"at most {min(375_000, 16_020):,} tokens"),
    Example("Resource view: tokens", "$37.01", lambda: d(total(*(row[0] for row in MATRIX.values())))),
    Example("… compute", "$13.32", lambda: d(total(*(row[1] for row in MATRIX.values())))),
    Example("… storage", "$4.10", lambda: d(total(*(row[2] for row in MATRIX.values())))),
    Example("… network", "$1.64", lambda: d(total(*(row[3] for row in MATRIX.values())))),
    Example("… all of it", "$56.07", lambda: d(total(*(cell for row in MATRIX.values() for cell in row)))),
    Example("… its pipeline", "$49.85", lambda: d(total("15", "25.20", "8.55", "1.10"))),
    Example("template small, by the rate card", "$0.12", lambda: d(machine(4, 8))),
    Example("template medium, by the rate card", "$0.24", lambda: d(machine(8, 16))),
    Example("template large, by the rate card", "$0.48", lambda: d(machine(16, 32))),
    Example("template gpu-nvidia, by the rate card", "$1.20", lambda: d(machine(8, 32, 1))),
    Example("minimum of the permanent pool, a month", "$500.00", lambda: d(3 * cost_of(usd("0.24"), 730 * MS_PER_HOUR))),
    Example("a spot worker, 70 % less than medium", "$0.070", lambda: d(usd("0.24") * 30 // 100, 3)),
)  # fmt: skip
