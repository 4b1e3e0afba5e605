"""What contradicts itself in `mcp-scaling.json`. Pure; called by `scaling` after the readers, and marks nothing as read."""

import re
from collections.abc import Callable, Iterator

from herder.model.values.phrases import counted, listed
from herder.model.values.resources import format_cpu, format_mib, parse_cpu, parse_mib
from herder.settings.imports.reading import Node

Told = tuple[str, str]
"""(path, sentence)."""
#: Queries that give one value of all replicas, such as a mean or a share; not a sum that the replicas share.
_MEAN = re.compile(r"\s*(avg|max|min|quantile|histogram_quantile)\b.*|.*\)\s*/\s*\w.*", re.DOTALL)
_RATE = "requests_per_second"


def contradictions(root: Node) -> Iterator[Told]:
    templates = [each for _, each in _children(root.at("scaling_templates"))]
    known = {name: each for each in templates if (name := _text(each.at("deployment")))}
    for each in templates:
        yield from _to_zero(each)
        yield from _means(each)
    for _, group in _children(root.at("warm_standby_configurations")):
        yield from _limits(group, known)
        yield from _idle(group.at("scale_to_zero_grace_period_minutes"), group.at("services"), known)
    strategy = root.at("cost_optimization", "scale_to_zero_strategy")
    yield from _idle(strategy.at("idle_timeout_minutes"), strategy.at("applicable_to"), known)
    for _, traffic in _children(root.at("scaling_thresholds")):
        yield from _traffic(traffic, known)
    yield from _quotas(root.at("cost_optimization", "resource_quotas"), templates)


def _to_zero(node: Node) -> Iterator[Told]:
    limits = node.at("scaling_config")
    zero, least = limits.at("scale_to_zero"), _value(limits.at("min_replicas"))
    limits.at("scale_to_zero").use()
    if isinstance(zero.value, bool) and least is not None and zero.value != (least == 0):
        yield (
            _path(zero),
            f"scale_to_zero is {str(zero.value).lower()}, and min_replicas is {least:g}. The minimum was taken.",
        )
    crons = [each.at("metadata") for each in _items(node.at("triggers")) if _text(each.at("type")) == "cron"]
    starts, ends = ({_text(each.at(key)) for each in crons} for key in ("start", "end"))
    wanted = [_number_in(each.at("desired_replicas")) for each in crons]
    if zero.value is True and crons and starts == ends and all(wanted):
        text = f"The schedules follow one another all day, so there are never fewer than {counted(int(min(filter(None, wanted))), 'replica')}."
        yield _path(node.at("triggers")), text


def _means(node: Node) -> Iterator[Told]:
    for each in _items(node.at("triggers")):
        facts = each.at("metadata")
        query, share = _text(facts.at("query")), _number_in(facts.at("threshold"))
        if query and share and _MEAN.fullmatch(query):
            text = (
                f"The query gives one value of all replicas, and KEDA divides it by the threshold as a sum: a value of {3 * share:g} wants 3 replicas, "
                "however many there are. Set value: average if more replicas lower the value."
            )
            yield _path(facts.at("query")), text


def _limits(group: Node, known: dict[str, Node]) -> Iterator[Told]:
    there = [_value(group.at(key)) for key in ("min_replicas", "max_replicas")]
    least, most = there
    if least is None or most is None:
        return
    differ = []
    for name in _names(group.at("services"), known):
        limits = known[name].at("scaling_config")
        own = [_value(limits.at(key)) for key in ("min_replicas", "max_replicas")]
        if None not in own and own != there:
            differ.append(f"{name} has {own[0]:g} to {own[1]:g}")
    if differ:
        text = (
            f"These services have {least:g} to {most:g} replicas here; in scaling_templates {listed(differ)}."
        )
        yield _path(group.at("services")), text


def _idle(minutes: Node, services: Node, known: dict[str, Node]) -> Iterator[Told]:
    wanted = _value(minutes)
    if wanted is None:
        return
    cooldowns = {
        name: _value(known[name].at("scaling_config", "cooldown_period_seconds"))
        for name in _names(services, known)
    }
    differ = [f"{name} {s:g} s" for name, s in cooldowns.items() if s is not None and s != wanted * 60]
    if differ:
        text = f"The last replica is removed after {wanted * 60:g} s here; by the cooldown period of {listed(differ)}, which was taken."
        yield _path(minutes), text


def _traffic(traffic: Node, known: dict[str, Node]) -> Iterator[Told]:
    rate, replicas = _value(traffic.at(_RATE)), _value(traffic.at("target_replicas"))
    if not rate or not replicas:
        return
    for name, node in known.items():
        for each in _items(node.at("triggers")):
            facts = each.at("metadata")
            share = _number_in(facts.at("threshold"))
            if not (_text(facts.at("metric_name")) or "").endswith(_RATE) or not share:
                continue
            if (wanted := -(-rate // share)) != replicas:
                text = f"{rate:g} requests per second are {counted(int(replicas), 'replica')} here, and {wanted:g} by the trigger of {name}."
                yield _path(traffic.at("target_replicas")), text


def _quotas(quotas: Node, templates: list[Node]) -> Iterator[Told]:
    """Of all replicas together, at the maximum of each template."""
    sizes: list[tuple[Node, Callable[[Node], int | None], Callable[[int], str], str]] = [
        (quotas.at("max_pods"), lambda _: 1, lambda count: counted(count, "pod"), ""),
        (quotas.at("requests", "cpu"), _cpu, format_cpu, "cpu"),
        (quotas.at("requests", "memory"), _mib, format_mib, "memory"),
    ]
    for limit, read, shown, key in sizes:
        allowed = _whole(limit) if not key else read(limit)
        total = 0
        for each in templates:
            most = _whole(each.at("scaling_config", "max_replicas"))
            one = read(each.at("resource_limits", "requests", key))
            total += (most or 0) * (one or 0)
        if allowed is not None and total > allowed:
            text = (
                f"All templates at their maximum request {shown(total)}, and the quota is {shown(allowed)}."
            )
            yield _path(limit), text


def _cpu(node: Node) -> int | None:
    return _parsed(node, parse_cpu)


def _mib(node: Node) -> int | None:
    return _parsed(node, parse_mib)


def _parsed(node: Node, parse: Callable[[str | float], int]) -> int | None:
    """None where it is missing or not an amount: the reader of templates says that."""
    try:
        return None if not isinstance(node.value, str) else parse(node.value)
    except ValueError:
        return None


def _names(node: Node, known: dict[str, Node]) -> list[str]:
    return [name for each in _items(node) if (name := _text(each)) in known and name is not None]


def _value(node: Node) -> float | None:
    value = node.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(node: Node) -> int | None:
    found = _value(node)
    return None if found is None else int(found)


def _number_in(node: Node) -> float | None:
    """KEDA has numbers as texts."""
    try:
        return float(node.value)
    except (TypeError, ValueError):
        return None


def _text(node: Node) -> str | None:
    return node.value if isinstance(node.value, str) else None


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.children()


def _items(node: Node) -> Iterator[Node]:
    if isinstance(node.value, list):
        yield from node.listed()


def _path(node: Node) -> str:
    return ".".join(node.path)
