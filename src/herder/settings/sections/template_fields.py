"""The settings of a template, each described once. `TEMPLATE_FIELDS` is what reader, writer, schema and documents go through."""

from herder.model.money import usd_text
from herder.model.pool import SpotUse
from herder.model.resources import plain_cpu, plain_mib
from herder.settings.sections import markets
from herder.settings.sections.fields import (
    COUNT,
    SIZE,
    Field,
    pairs,
    plain,
    price_field,
    same,
)
from herder.settings.syntax import amounts, reading

#: Everything of a template but its name. The first five make up `Template.allocatable`.
TEMPLATE_FIELDS: tuple[Field, ...] = (
    Field(
        key="cpu",
        attribute="cpu_milli",
        read=reading.cpu,
        write=plain_cpu,
        schema={"type": ["string", "number"]},
        doc="Cores that jobs may use of a worker: 4, 0.5 or 3800m.",
    ),
    Field(
        key="memory",
        attribute="memory_mib",
        read=reading.size,
        write=plain_mib,
        schema=SIZE,
        doc="Memory that jobs may use.",
    ),
    Field(
        key="disk",
        attribute="disk_mib",
        read=reading.size,
        write=plain_mib,
        schema=SIZE,
        doc="Disk that jobs may use.",
    ),
    plain("gpu", reading.whole, COUNT, "GPUs, as devices."),
    Field(
        key=amounts.SECTION,
        attribute=amounts.SECTION,
        read=amounts.read_own,
        write=same,
        schema={"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        doc="What else jobs may use of a worker, by the names in the section `resources:`, as in {licence/abaqus: 2}.",
    ),
    plain(
        "gpu_model",
        reading.text,
        {"type": "string"},
        "Which GPUs these are, as in a100; jobs may ask for it.",
    ),
    plain(
        "gpu_parts",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Equal parts that each GPU is split into. Above 1, only jobs that ask for a share of a GPU run here.",
    ),
    Field(
        key="price_per_hour",
        attribute="price_pico_per_hour",
        read=reading.price,
        write=usd_text,
        schema={"type": ["string", "number"], "examples": ["0.12"]},
        doc="US dollars for an hour of one worker.",
    ),
    plain(
        "slots",
        reading.positive,
        {"type": "integer", "minimum": 1},
        "Most attempts at a time on one worker, whatever their size.",
    ),
    pairs("labels", "labels", "Labels of the workers made from it, besides the pool's."),
    Field(
        key="zones",
        attribute="zones",
        read=markets.read_zones,
        write=markets.write_zones,
        schema={"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/zone"}]}},
        doc="Where the driver may make it: names, or name, price_per_hour, spot_price_per_hour, max_workers (the quota there). "
        "Workers get the label `zone`. Default: wherever the driver likes.",
    ),
    Field(
        key="spot",
        attribute="spot",
        read=markets.read_spot,
        write=str,
        schema={"enum": [*(each.value for each in SpotUse), True, False]},
        doc="no (the default); yes: only spot; prefer: spot, and on-demand where spot is short, or costs no less. Spot workers get "
        "the label `spot: true`.",
    ),
    price_field(
        "spot_price_per_hour",
        "spot_price_pico_per_hour",
        "What spot costs; null: 30 % of price_per_hour.",
    ),
    price_field(
        "max_spot_price", "max_spot_price_pico_per_hour", "Dearer spot is not bought; null: no limit."
    ),
)

TEMPLATE_KEYS = ("name", *(field.key for field in TEMPLATE_FIELDS))
