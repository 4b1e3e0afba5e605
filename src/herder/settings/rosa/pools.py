"""Pools of herder.yaml from the variables of the ROSA module: the two pools by name, and the list `machine_pools`. Called by `importing`; pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from herder.model.values.unfilled import is_unfilled
from herder.settings.imports.reading import Node
from herder.settings.imports.result import Finding, Kind
from herder.settings.rosa import values
from herder.settings.rosa.hcl import Expression
from herder.settings.sections.pool.presets import PRESETS

CLUSTER = "rosa"
DRIVER = "rosa"
LIST = "machine_pools"
#: What the module has where a machine pool of the list says nothing.
REPLICAS, DISK_GIB = 2, 300
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One of the two pools that have variables of their own."""

    preset: str
    create: str
    prefix: str
    max_price: str = ""
    """The variable of the highest price of spot nodes; empty: they are on-demand."""

    @property
    def variables(self) -> tuple[str, ...]:
        own = (*_OF_EACH, "disk_size" if self.max_price else "taints")
        return (self.create, *(f"{self.prefix}{each}" for each in own), *filter(None, [self.max_price]))


_OF_EACH = ("name", "instance_type", "min_replicas", "max_replicas", "labels")
NAMED = (
    Named(preset="rosa_additional", create="create_additional_pool", prefix="additional_pool_"),
    Named(
        preset="rosa_gpu_spot",
        create="create_gpu_spot_pool",
        prefix="gpu_spot_pool_",
        max_price="gpu_spot_max_price",
    ),
)


@dataclass(slots=True)
class Found:
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[Finding] = field(default_factory=list)

    def add(self, name: str, pool: dict[str, Any], node: Node) -> None:
        if name in self.pools:
            node.source.wrong(
                node.path, f"Two machine pools have the name {name}.", "Give one of them another name."
            )
        self.pools[name] = pool

    def to_do(self, path: str, text: str) -> None:
        self.told.append(Finding(kind=Kind.TO_DO, path=path, text=text))


def pools_of(root: Node) -> Found:
    found = Found()
    for each in NAMED:
        _add_named(found, root, each)
    for number, node in enumerate(_listed(root.at(LIST))):
        _add_listed(found, root, node, number)
    return found


def _listed(node: Node) -> Iterator[Node]:
    if isinstance(node.value, Expression):
        node.use()
        node.source.wrong(
            node.path,
            f"{LIST} is the expression {node.value.text[:80]}.",
            "Write the list itself, or name the .tfvars file that has it.",
        )
        return
    for each in node.listed():
        if isinstance(each.value, Expression):
            each.use()
            fields = {"name": each.value, "instance_type": each.value}
            yield Node(source=each.source, path=each.path, value=fields)
        else:
            yield each


def _common() -> dict[str, Any]:
    return {"membership": "kubernetes", "cluster": CLUSTER}


def _add_named(found: Found, root: Node, named: Named) -> None:
    create = values.flag(root.at(named.create))
    if not create:
        return
    preset = PRESETS[named.preset]
    usual = preset["driver_options"]

    def at(last: str) -> Node:
        return root.at(f"{named.prefix}{last}")

    name = values.text(at("name")) or usual["machine_pool"]
    instance_type = values.text(at("instance_type")) or usual["instance_type"]
    disk = values.whole(at("disk_size")) if named.max_price else None
    price = values.amount(root.at(named.max_price)) if named.max_price else None
    options = _without_none(
        machine_pool=name, instance_type=instance_type, disk_gib=_option(disk), spot_max_price=price or None
    )
    pool = {"preset": named.preset, **_common()}
    if isinstance(create, str):
        pool["description"] = create
    sizes = {"min_workers": values.whole(at("min_replicas")), "max_workers": values.whole(at("max_replicas"))}
    pool |= _without_none(**sizes)
    options = {key: value for key, value in options.items() if usual.get(key) != value}
    if options:
        pool["driver_options"] = options
    if "instance_type" in options:
        pool["templates"] = [values.template_of(instance_type, spot=bool(named.max_price))]
    labels = values.labels(at("labels"))
    if labels:
        pool["labels"] = {**preset.get("labels", {}), **labels} if isinstance(labels, dict) else labels
    taints = None if named.max_price else values.taints(at("taints"))
    if taints:
        pool["taints"] = taints
    found.add(name if _NAME.fullmatch(name) else usual["machine_pool"], pool, at("name"))


def _add_listed(found: Found, root: Node, node: Node, number: int) -> None:
    name, instance_type = (_required(node, key) for key in ("name", "instance_type"))
    own = name if _NAME.fullmatch(name) else f"machine-pool-{number}"
    spot, price = _spot(node.at("spot"))
    disk = values.whole(node.at("disk_size"))
    options = {
        "machine_pool": name,
        "instance_type": instance_type,
        "disk_gib": _option(DISK_GIB if disk is None else disk),
        **_place(found, root, node, own),
        **({"spot_max_price": price or "on-demand"} if spot else {}),
    }
    least, most = _sizes(node)
    pool: dict[str, Any] = {
        "driver": DRIVER,
        **_common(),
        "templates": [values.template_of(instance_type, spot=spot)],
        "min_workers": least,
        "max_workers": most,
        "driver_options": options,
        **_without_none(labels=values.labels(node.at("labels")), taints=values.taints(node.at("taints"))),
    }
    found.add(own, pool, node.at("name"))


def _required(node: Node, key: str) -> str:
    found = values.text(node.at(key))
    if not found:
        node.source.wrong((*node.path, key), f"The machine pool has no {key}.", f'Write {key} = "…".')
    return found or ""


def _spot(node: Node) -> tuple[bool | str, str | None]:
    """Whether, and for how much at most."""
    if isinstance(node.value, Expression):
        return str(values.text(node)), None
    return values.flag(node.at("enabled")) or False, values.amount(node.at("max_price"))


def _sizes(node: Node) -> tuple[int | str, int | str]:
    scaling = node.at("autoscaling")
    if isinstance(scaling.value, Expression):
        said = str(values.text(scaling))
        return said, said
    enabled = values.flag(scaling.at("enabled"))
    if enabled:
        least, most = values.whole(scaling.at("min")), values.whole(scaling.at("max"))
        for key, each in (("min", least), ("max", most)):
            if each is None:
                node.source.wrong(
                    (*scaling.path, key), f"Autoscaling has no {key}.", f"Write {key} = ….",
                )  # fmt: skip
        return (enabled, enabled) if isinstance(enabled, str) else (least or 0, most or 0)
    replicas = values.whole(node.at("replicas"))
    replicas = REPLICAS if replicas is None else replicas
    return replicas, replicas


def _place(found: Found, root: Node, node: Node, name: str) -> dict[str, str]:
    zone, subnet = values.text(node.at("availability_zone")), values.text(node.at("subnet_id"))
    subnets, multi_az = root.at("az_subnet_map"), values.flag(node.at("multi_az"))
    if zone and not subnet and isinstance(subnets.value, dict):
        subnet = values.text(subnets.at(zone))
    if subnet:
        return {"subnet": subnet}
    if zone and multi_az is not False:
        text = "The module of classic clusters ignores availability_zone unless multi_az is false; Herder creates the nodes in this zone."
        path = ".".join((*node.path, "availability_zone"))
        found.told.append(Finding(kind=Kind.CONTRADICTION, path=path, text=text))
    if zone:
        return {"availability_zone": zone}
    if multi_az is not False:
        found.to_do(
            f"pools.{name}.driver_options",
            "In a multi-AZ classic cluster, set availability_zone: Herder adds one node at a time, and a pool over all zones has 3, 6, 9 … nodes.",
        )
    return {}


def _option(value: int | str | None) -> str | None:
    return None if value is None else str(value)


def _without_none(**pairs: Any) -> dict[str, Any]:
    return {key: value for key, value in pairs.items() if value is not None}


def any_unfilled(plain: Any) -> bool:
    if isinstance(plain, dict):
        return any(map(any_unfilled, plain.values()))
    return any(map(any_unfilled, plain)) if isinstance(plain, list) else is_unfilled(plain)
