"""What contradicts itself in `worker-pools.json`, and what Herder does about it. Pure; called by `importing` after the readers."""

from collections.abc import Iterator
from typing import Any

from herder.ledger.built_in_cards import COMPUTE, OTHER
from herder.model.values.phrases import counted
from herder.settings.cortex.pools import span
from herder.settings.imports.reading import Node

HOURS_OF_A_MONTH = 730
Told = tuple[str, str]
"""(path, sentence)."""


def contradictions(root: Node) -> Iterator[Told]:
    for name, pool in root.at("worker_pool_definitions").children():
        yield from _budget(root, name, pool)
        yield from _prices(root, name, pool)
        yield from _life(root, name, pool)
    yield from _card(root.at("worker_templates"))
    yield from _creation(root)
    yield from _removal(root)
    yield from _repair(root)


def _value(node: Node) -> float | None:
    value = node.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _costs(root: Node, name: str) -> Node:
    return root.at("cost_tracking", "cost_allocation", f"{name}_pool")


def _usual_price(root: Node, pool: Node) -> float | None:
    template = pool.at("default_template").value
    return (
        _value(root.at("worker_templates", template, "cost_per_hour")) if isinstance(template, str) else None
    )


def _budget(root: Node, name: str, pool: Node) -> Iterator[Told]:
    node = _costs(root, name).at("monthly_budget")
    budget, least = _value(node), _value(pool.at("min_size"))
    price = _value(_costs(root, name).at("cost_per_worker_hour")) or _usual_price(root, pool)
    if budget is not None and least and price and (cost := least * price * HOURS_OF_A_MONTH) > budget:
        yield (
            _path(node),
            f"The minimum of pool {name} ({counted(int(least), 'worker')} at ${price:.2f}/h) costs ${cost:,.2f} a month, more than its budget of "
            f"${budget:,.2f}.",
        )


def _prices(root: Node, name: str, pool: Node) -> Iterator[Told]:
    node = _costs(root, name).at("cost_per_worker_hour")
    price, usual, saved = _value(node), _usual_price(root, pool), _value(pool.at("cost_savings_percent"))
    if price is None or usual is None:
        return
    meant = usual * (1 - (saved or 0) / 100)
    if abs(meant - price) > 1e-9:
        less = f" less {saved:g} %" if saved else ""
        yield (
            _path(node),
            f"A worker of pool {name} costs ${price:g}/h, and its template{less} ${meant:g}/h. "
            + (f"The spot price is ${price:g}/h." if saved else "The price of the template is used."),
        )


def _card(templates: Node) -> Iterator[Told]:
    """Against the rates of `cost-tracking.json`, which are those of the built-in card."""
    for name, template in templates.children():
        have, price = template.at("resources"), _value(template.at("cost_per_hour"))
        cores, megabytes = _value(have.at("cpu_cores")), _value(have.at("memory_mb"))
        if price is None or cores is None or megabytes is None:
            continue
        gpu = float(OTHER["gpu"]) if isinstance(have.at("gpu").value, dict) else 0.0
        charged = cores * float(COMPUTE["cpu"]) + megabytes / 1024 * float(COMPUTE["memory"]) + gpu
        if abs(charged - price) > 1e-9:
            yield (
                _path(template.at("cost_per_hour")),
                f"Template {name} costs ${price:.2f}/h, and ${charged:.2f}/h by the rates of the card internal. The template is what a worker costs, the card "
                "what users are charged.",
            )


def _life(root: Node, name: str, pool: Node) -> Iterator[Told]:
    life, more = (
        pool.at("ttl_config"),
        root.at("lifecycle_configurations", "ttl_cleanup", "ttl_extension"),
    )
    usual, longest = _value(life.at("default_ttl_hours")), _value(life.at("max_ttl_hours"))
    times, hours = _value(more.at("max_extensions")), _value(more.at("extension_duration_hours"))
    if None in (usual, longest, times, hours):
        return
    assert usual is not None
    assert longest is not None
    assert times is not None
    assert hours is not None
    if usual + times * hours > longest:
        yield (
            _path(life.at("max_ttl_hours")),
            f"{counted(int(times), 'extension')} of {hours:g} h after {usual:g} h end after {usual + times * hours:g} h, later than the maximum of {longest:g} h, "
            "which holds.",
        )


def _creation(root: Node) -> Iterator[Told]:
    node = root.at("lifecycle_configurations", "provisioning")
    total, steps = _value(node.at("timeout_seconds")), _steps(node.at("workflow"))
    if total is not None and steps > total:
        yield (
            _path(node.at("timeout_seconds")),
            f"The steps may take {span(steps)} together, and the whole {span(total)}. The time-outs of the steps hold.",
        )
    alert = root.at("monitoring_and_alerting", "alert_rules", "worker_provision_timeout", "threshold_seconds")
    after = _value(alert)
    if total is not None and after is not None and after > total:
        yield (
            _path(alert),
            f"The alert comes after {span(after)}, when a creation of at most {span(total)} has ended. The alert is kept.",
        )
    joining = root.at("lifecycle_configurations", "joining")
    whole, checks = _value(joining.at("timeout_seconds")), _steps(joining.at("validation_steps"))
    if whole is not None and checks > whole:
        yield (
            _path(joining.at("timeout_seconds")),
            f"The checks may take {span(checks)} together, and the whole {span(whole)}. The step ready of the creation holds.",
        )


def _steps(workflow: Node) -> float:
    rows: Any = workflow.value if isinstance(workflow.value, list) else ()
    return sum(float(row.get("timeout_seconds") or 0) for row in rows if _timed(row))


def _timed(row: Any) -> bool:
    return isinstance(row, dict) and type(row.get("timeout_seconds")) in (int, float)


def _removal(root: Node) -> Iterator[Told]:
    node = root.at("lifecycle_configurations")
    total, drain = (
        _value(node.at("termination", "timeout_seconds")),
        _value(node.at("draining", "timeout_seconds")),
    )
    if total is not None and drain is not None and drain > total:
        yield (
            _path(node.at("termination", "timeout_seconds")),
            f"A removal may take {span(total)}, and its drain alone {span(drain)}. The drain has its {span(drain)}.",
        )
    forced = _value(node.at("termination", "force_shutdown_after_seconds"))
    if total is not None and forced is not None and forced > total:
        yield (
            _path(node.at("termination", "force_shutdown_after_seconds")),
            f"A shutdown is forced after {span(forced)}, when a removal of at most {span(total)} has ended.",
        )
    if node.at("draining", "force_drain_after_timeout").value is False and node.at("ttl_cleanup").value:
        yield (
            _path(node.at("draining", "force_drain_after_timeout")),
            "Without force a PodDisruptionBudget can keep an expired worker for ever. Herder shows the drain as blocked (on_blocked: wait).",
        )


def _repair(root: Node) -> Iterator[Told]:
    node = root.at("lifecycle_configurations")
    rows = node.at("health_monitoring", "health_checks").value
    rules = node.at("auto_repair", "repair_strategies").value
    seen = {row.get("check") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    for check, condition in (
        ("pid_pressure", "PIDPressure"),
        ("memory_pressure", "MemoryPressure"),
        ("disk_pressure", "DiskPressure"),
        ("containerd_running", "RuntimeCrash"),
    ):
        if check in seen and isinstance(rules, dict) and condition not in rules:
            yield (
                f"{_path(node.at('health_monitoring', 'health_checks'))}.{check}",
                f"{condition} is watched, and no repair answers it. Add a row to `repair` where you want one.",
            )


def _path(node: Node) -> str:
    return ".".join(node.path)
