"""One row of FOCUS for one line of the ledger. What does not depend on the day is made once for all days of the same use."""

import json
import re
from dataclasses import dataclass, field

from herder.ledger.lines import Kind, Line, unit_of
from herder.reports.focus.columns import amount, day_ends, money, month_ends

_CACHE_MOST = 50_000
_JSON = json.JSONEncoder(separators=(",", ":")).encode
_QUOTE = '"'
#: By its beginning: what a spreadsheet takes for a formula, and what would be taken for one that was marked.
_TO_MARK = re.compile(r"'*[=+@\t\r-]")
_TO_QUOTE = re.compile(r'[",\r\n]')
#: By the beginning of the name of a resource: category, service and subcategory, of which a service has one each.
_SERVICES = {
    "tokens": ("AI and Machine Learning", "Tokens", "Generative AI"),
    "storage": ("Storage", "Storage", "Other (Storage)"),
    "network": ("Networking", "Network", "Network Connectivity"),
    "gpu": ("Compute", "Workers", "Virtual Machines"),
    "cpu": ("Compute", "Workers", "Virtual Machines"),
    "memory": ("Compute", "Workers", "Virtual Machines"),
    "machine": ("Compute", "Workers", "Virtual Machines"),
}
_OTHER = ("Other", "Other", "Other (Other)")
#: FOCUS' spelling of the units of `ledger.lines`.
_UNITS = {
    "machine-hours": "Machine-Hours",
    "core-hours": "vCPU-Hours",
    "GiB-hours": "GiB-Hours",
    "GPU-hours": "GPU-Hours",
    "GB-months": "GB-Months",
    "GB": "GB",
    "tokens": "Tokens",
}
_WHAT = {
    Kind.WORKLOAD: "Work on",
    Kind.IDLE: "Idle time of",
    Kind.OVERHEAD: "Boot and join of",
    Kind.METERED: "Use of",
}
_CATEGORIES = {"spot": "Dynamic", "on-demand": "Standard"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues the bill: the organisation whose installation this is, which is the provider of the service, too."""

    id: str
    name: str


class _Always:
    """The parts of a row that all days of the same use share, as text of the file."""

    __slots__ = ("account", "base", "exact", "names", "price", "rate", "unit", "use", "what")

    def __init__(self, line: Line, issuer: Issuer) -> None:
        payer, place = line.payer, line.place
        unit = unit_of(line.resource)
        self.base = unit.base if unit else 1
        self.unit = _UNITS.get(unit.name, unit.name) if unit else "Units"
        machine = line.kind is not Kind.METERED
        what = place.worker if machine else line.product
        parts = (place.provider, place.template, place.market, line.resource, line.product)
        sku = "/".join(part for part in parts if part)
        whose = f" for {payer.project}" if payer.project else ""
        no_price = "" if line.pico is not None else " (no price)"
        category = _CATEGORIES.get(place.market, "Standard")
        self.account = _csv(place.zone), _csv(issuer.id, issuer.name, "USD")
        self.what = _csv(f"{_WHAT[line.kind]} {what or line.resource}{whose}{no_price}", "Usage-Based")
        self.names = _csv(issuer.name)
        self.price = _csv(category)
        plain = _csv(
            issuer.name, place.provider or issuer.name, place.zone, place.zone,
            what, what, ("Virtual Machine" if machine else "Model") if what else "",
            *_SERVICES.get(line.resource.partition(".")[0], _OTHER),
            sku, line.resource, f"{sku}/{line.card}/{line.rate or 'unpriced'}", payer.project, payer.project,
        )  # fmt: skip
        self.use = f"{plain},{_csv(_tags(line))}"
        self.exact = _csv(line.card, line.kind.value, *payer, *place, line.resource, line.product)
        self.rate = _csv(line.rate)


@dataclass(slots=True)
class Rows:
    """Makes rows; keeps the parts that repeat, up to a bound."""

    issuer: Issuer
    _always: dict[tuple[object, ...], _Always] = field(default_factory=dict)

    def text(self, line: Line) -> str:
        """A row with its end, in the order of `COLUMNS`. What has no price is billed at 0, since FOCUS knows no other way, with an empty `x_Pico`."""
        key = (*line[3:9], line.rate, line.pico is None)
        always = self._always.get(key)
        if always is None:
            if len(self._always) >= _CACHE_MOST:
                self._always.clear()
            always = self._always[key] = _Always(line, self.issuer)
        cost = money(line.pico or 0)
        quantity = f"{amount(line.quantity, always.base)},{always.unit}"
        begin, end = month_ends(line.period)
        day, next_day = day_ends(line.day_ms)
        zone, account = always.account
        return (
            f"{zone},{cost},{account},{end},{begin},Usage,{'Correction' if line.corrects else ''},{always.what},{next_day},{day},"
            f"{quantity},{cost},{cost},{_invoice(line)},{always.names},{cost},{always.price},{quantity},{always.use},"
            f"{line.period},{line.corrects},{always.exact},{line.quantity}/{always.base},{always.rate},{'' if line.pico is None else line.pico}\r\n"
        )


def _csv(*values: str) -> str:
    """Quoted where it must be (RFC 4180); no value is a formula."""
    values = tuple(f"'{value}" if _TO_MARK.match(value) else value for value in values)
    if _TO_QUOTE.search("".join(values)) is None:
        return ",".join(values)
    return ",".join(
        f'"{value.replace(_QUOTE, _QUOTE * 2)}"' if _TO_QUOTE.search(value) else value for value in values
    )


def unmarked(cell: str) -> str:
    """What was written to the file as this cell."""
    return cell[1:] if cell.startswith("'") and _TO_MARK.match(cell) else cell


def _invoice(line: Line) -> str:
    """That of the project, of which each month and card has one; see `invoice.py`."""
    return _csv(invoice_id(line.period, line.payer.project or line.payer.division, line.card))


def invoice_id(month: str, bill_to: str, card: str) -> str:
    return f"{month}-{bill_to or 'unallocated'}-{card}"


def _tags(line: Line) -> str:
    tags = {**line.payer._asdict(), "pool": line.place.pool, "kind": line.kind.value}
    return _JSON({key: value for key, value in tags.items() if value})
