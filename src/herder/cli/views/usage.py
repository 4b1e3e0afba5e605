"""How reported use is shown in lists."""

from typing import Any

from herder.cli.output.columns import field, made
from herder.cli.output.rows import View


def _payer(day: Any) -> str:
    return "/".join(each for each in (day.division, day.project, day.user) if each)


DAYS = View(
    noun="day of use",
    name=lambda day: f"{day.day}/{day.source}/{day.resource}",
    columns=(
        field("DAY", "day"),
        field("MONTH", "month", wide=True),
        field("SOURCE", "source", long=True, drop=3),
        field("RESOURCE", "resource"),
        field("PRODUCT", "product", long=True, drop=2),
        made("PAYER", _payer, key="payer", long=True),
        field("QUANTITY", "quantity", right=True),
        field("UNIT", "unit"),
    ),
    empty="No reports of use. Import one with: herder usage import FILE --source NAME",
)
