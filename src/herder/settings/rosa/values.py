"""Values of the ROSA module as herder.yaml writes them; an expression becomes a value that a person has to write. Called by `pools`; pure."""

from collections.abc import Callable
from typing import Any, TypeVar

from herder.model.values.unfilled import is_unfilled, unfilled
from herder.settings.imports.reading import Node
from herder.settings.rosa.hcl import Expression
from herder.settings.rosa.instance_types import template, template_name

_T = TypeVar("_T")
#: Either spelling is in use: the one of Terraform's provider, and the one of Kubernetes.
EFFECTS = ("effect", "schedule_type")


def or_unfilled(node: Node, read: Callable[[], _T | None]) -> _T | str | None:
    """None: it is not given."""
    if isinstance(node.value, Expression):
        node.use()
        return unfilled(node.value.text)
    return read()


def text(node: Node) -> str | None:
    return or_unfilled(node, node.text)


def whole(node: Node) -> int | str | None:
    return or_unfilled(node, node.whole)


def flag(node: Node) -> bool | str | None:
    return or_unfilled(node, node.flag)


def amount(node: Node) -> str | None:
    """A number, or the same as a text: `0.5` or `"0.5"`."""
    if isinstance(node.value, str | Expression):
        return text(node)
    found = node.number()
    return None if found is None else f"{found:f}".rstrip("0").rstrip(".")


def labels(node: Node) -> dict[str, str] | str | None:
    def each() -> dict[str, str] | None:
        found = {key: value for key, child in node.children() if (value := _label(child)) is not None}
        return found or None

    return or_unfilled(node, each)


def _label(node: Node) -> str | None:
    """Terraform makes a text of a number or a flag."""
    if isinstance(node.value, bool):
        return str(node.flag()).lower()
    return amount(node) if isinstance(node.value, int | float) else text(node)


def taints(node: Node) -> list[dict[str, str]] | str | None:
    return or_unfilled(node, lambda: [_taint(each) for each in node.listed()] or None)


def _taint(node: Node) -> dict[str, str]:
    if isinstance(node.value, Expression):
        node.use()
        return dict.fromkeys(("key", "effect"), unfilled(node.value.text))
    effects = [found for name in EFFECTS if (found := text(node.at(name)))]
    if len(set(effects)) != 1:
        node.source.wrong(
            (*node.path, "effect"),
            "A taint has one effect, and this one has "
            + (f"{' and '.join(effects)}." if effects else "none."),
            "Write effect or schedule_type: NoSchedule, PreferNoSchedule or NoExecute.",
        )
        return {}
    key = text(node.at("key"))
    if not key:
        node.source.wrong((*node.path, "key"), "The taint has no key.", 'Write key = "…".')
        return {}
    value = _label(node.at("value"))
    return {"key": key, **({"value": value} if value else {}), "effect": effects[0]}


def template_of(instance_type: str, *, spot: bool | str) -> dict[str, Any]:
    """Of a type that is not known the figures are left to a person."""
    found: dict[str, Any] | None = template(instance_type)
    if found is None:
        known = not is_unfilled(instance_type)
        said = f"a {instance_type}" if known else "a machine of this pool"
        found = {
            "name": template_name(instance_type) if known else "machine",
            "cpu": unfilled(f"CPU that {said} has for pods"),
            "memory": unfilled(f"memory that {said} has for pods"),
            "gpu": unfilled(f"GPUs of {said}, or 0"),
            "price_per_hour": unfilled(f"dollars an hour of {said}"),
        }
    if isinstance(spot, str):
        return {**found, "spot": spot}
    return {**found, "spot": "yes"} if spot else found
