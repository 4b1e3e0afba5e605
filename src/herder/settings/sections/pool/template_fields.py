"""The settings of a template, each described once. Reader, writer, schema and documents use `TEMPLATE_FIELDS`."""

from herder.model.fleet.pool import PriceSource, SpotUse
from herder.model.values.money import usd_text
from herder.model.values.resources import plain_cpu, plain_mib
from herder.settings.sections.fields import (
    COUNT,
    SIZE,
    Field,
    pairs,
    plain,
    price_field,
    same,
)
from herder.settings.sections.pool import markets
from herder.settings.syntax import amounts, validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Value


def _read_driver(found: Reading, value: Value) -> str:
    return "" if isinstance(value, Scalar) and value.text is None else validation.name(found, value)


def _name_or_null(name: str) -> str | None:
    return name or None


#: Everything of a template but its name. The first five make up `Template.allocatable`.
TEMPLATE_FIELDS: tuple[Field, ...] = (
    Field(
        key="cpu",
        attribute="cpu_milli",
        read=validation.cpu,
        write=plain_cpu,
        schema={"type": ["string", "number"]},
        doc="The cores of a worker that jobs can use, such as 4, 0.5 or 3800m.",
    ),
    Field(
        key="memory",
        attribute="memory_mib",
        read=validation.size,
        write=plain_mib,
        schema=SIZE,
        doc="The memory that jobs can use.",
    ),
    Field(
        key="disk",
        attribute="disk_mib",
        read=validation.size,
        write=plain_mib,
        schema=SIZE,
        doc="The disk space that jobs can use.",
    ),
    plain("gpu", validation.whole, COUNT, "The number of GPU devices."),
    Field(
        key=amounts.SECTION,
        attribute=amounts.SECTION,
        read=amounts.read_own,
        write=same,
        schema={"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        doc="Other resources that jobs can use, by their names in the section `resources`, such as {licence/abaqus: 2}.",
    ),
    plain(
        "gpu_model",
        validation.text,
        {"type": "string"},
        "The model of the GPUs, such as a100; jobs can request it.",
    ),
    plain(
        "gpu_parts",
        validation.positive,
        {"type": "integer", "minimum": 1},
        "The number of equal parts that each GPU is split into. Above 1, only jobs that request a share of a GPU run on the worker.",
    ),
    Field(
        key="price_per_hour",
        attribute="price_pico_per_hour",
        read=validation.price,
        write=usd_text,
        schema={"type": ["string", "number"], "examples": ["0.12"]},
        doc="The price of one worker for an hour, in US dollars.",
    ),
    plain(
        "slots",
        validation.positive,
        {"type": "integer", "minimum": 1},
        "The largest number of attempts at a time on one worker, independent of their size.",
    ),
    pairs("labels", "labels", "Labels of the workers, in addition to those of the pool."),
    Field(
        key="driver",
        attribute="driver",
        read=_read_driver,
        write=_name_or_null,
        schema={"type": ["string", "null"]},
        doc="The driver that creates its workers, so that one pool has workers of several providers. null: the driver of the pool.",
    ),
    pairs(
        "driver_options",
        "driver_options",
        "Settings that are passed to the driver unchanged, in addition to the driver_options of the pool, which they override. With a `driver` of "
        "its own, other than the pool's, only these are passed.",
    ),
    Field(
        key="zones",
        attribute="zones",
        read=markets.read_zones,
        write=markets.write_zones,
        schema={"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/zone"}]}},
        doc="The zones in which workers can be created: names, or name, price_per_hour, spot_price_per_hour and max_workers (the quota there). "
        "Workers get the label `zone`. Default: the driver chooses.",
    ),
    Field(
        key="spot",
        attribute="spot",
        read=markets.read_spot,
        write=str,
        schema={"enum": [*(each.value for each in SpotUse), True, False]},
        doc="no (the default): only on-demand; yes: only spot; prefer: spot, and on-demand where spot has no capacity or is not cheaper. Spot workers get "
        "the label `spot: true`.",
    ),
    price_field(
        "spot_price_per_hour",
        "spot_price_pico_per_hour",
        "The price of a spot worker for an hour. null: 30 % of price_per_hour.",
    ),
    price_field(
        "max_spot_price",
        "max_spot_price_pico_per_hour",
        "Spot workers above this price are not created. null: no limit.",
    ),
    Field(
        key="prices",
        attribute="prices",
        read=markets.read_prices,
        write=str,
        schema={"enum": [each.value for each in PriceSource]},
        doc="file (the default): the prices are those that are written. provider: each zone has the price that the driver reports, and price_per_hour and "
        "spot_price_per_hour hold until it has reported one; needs zones. Workers keep the price that they were created at.",
    ),
)

TEMPLATE_KEYS = ("name", *(field.key for field in TEMPLATE_FIELDS))
