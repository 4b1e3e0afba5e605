"""What all pools have alike in `worker-pools.json`: creation, drain, time to live, repair. Pure; called by `importing`."""

from typing import Any

from herder.settings.cortex.pools import MINUTE_S, given, span
from herder.settings.imports.reading import Node

#: A step of Cortex, and the step of Herder that its time counts for.
STEPS = {
    "clone_vm_from_template": "create",
    "configure_vm_resources": "configure",
    "start_vm": "start",
    "wait_for_vm_boot": "boot",
    "apply_talos_config": "join",
    "wait_for_node_ready": "ready",
    "apply_kubernetes_labels": "ready",
}
RUNGS = {
    "restart_kubelet": "restart_service",
    "reboot_node": "reboot",
    "drain_and_reboot": "reboot",
    "replace_node": "replace",
    "cleanup_disk": "clean_up",
    "prune_images": "clean_up",
}
HOURS = 3600.0
#: What Herder does in any case, where the file says so too.
ALWAYS = (
    ("draining", "ignore_daemonsets", True),
    ("draining", "delete_emptydir_data", True),
    ("termination", "graceful_shutdown", True),
)


def creation(root: Node) -> dict[str, Any]:
    """Limits of the driver."""
    node = root.at("lifecycle_configurations", "provisioning")
    return given(
        create_tries=node.at("retry_attempts").whole(),
        create_retry_pause=span(node.at("retry_delay_seconds").number()),
        parallel_creates=node.at("parallel_provisioning_limit").whole(),
        pause_between_starts=span(node.at("vm_start_delay_seconds").number()),
    )


def common(root: Node) -> dict[str, Any]:
    """Settings of every pool."""
    node = root.at("lifecycle_configurations")
    drain = node.at("draining")
    for section, key, what in ALWAYS:
        if node.at(section, key).value is what:
            node.at(section, key).use()
    forced = drain.at("force_drain_after_timeout").flag()
    care = node.at("health_monitoring", "auto_repair")
    alert = root.at("monitoring_and_alerting", "alert_rules", "worker_provision_timeout")
    return given(
        step_timeouts=_steps(node.at("provisioning", "workflow")) or None,
        provision_alert=span(alert.at("threshold_seconds").number()),
        drain_grace=span(drain.at("timeout_seconds").number()),
        eviction_grace=span(drain.at("grace_period_seconds").number()),
        evictions_at_once=drain.at("pod_eviction_batch_size").whole(),
        on_blocked=None if forced is None else "force" if forced else "wait",
        repair=_repair(node.at("auto_repair"), care),
        repair_tries=care.at("max_repair_attempts").whole(),
        repair_cooldown=span(care.at("repair_cooldown_minutes").number(), MINUTE_S),
    )


def temporary(root: Node) -> dict[str, Any]:
    """Settings of pools with a time to live."""
    node = root.at("lifecycle_configurations", "ttl_cleanup")
    more, idle = node.at("ttl_extension"), node.at("idle_detection")
    if node.at("cleanup_policy").value == "drain_then_terminate":
        node.at("cleanup_policy").use()
    if idle.at("cpu_threshold_percent").value == 5:
        idle.at("cpu_threshold_percent").use()
    number = more.at("max_extensions").whole()
    return given(
        ttl_grace=span(node.at("grace_period_minutes").number(), MINUTE_S),
        extension=span(more.at("extension_duration_hours").number(), HOURS),
        extensions_max=0 if more.at("allowed").flag() is False else number,
        idle_timeout=span(idle.at("idle_threshold_minutes").number(), MINUTE_S),
    )


def _steps(workflow: Node) -> dict[str, str]:
    found: dict[str, float] = {}
    for step in workflow.listed():
        name, seconds = step.at("action").text() or "", step.at("timeout_seconds").number()
        if name not in STEPS:
            step.source.wrong(
                (*step.path, "action"),
                f"There is no step {name!r}.",
                f"Known steps are {', '.join(STEPS)}.",
            )
        elif seconds is not None:
            found[STEPS[name]] = found.get(STEPS[name], 0.0) + seconds
        for key in ("step", "mcp"):
            step.at(key).use()
    return {name: span(seconds) or "" for name, seconds in found.items()}


def _repair(node: Node, care: Node) -> list[dict[str, Any]] | str | None:
    """The first rung of its kind for each condition; the others are told as not taken over."""
    if node.at("enabled").flag() is False or care.at("enabled").flag() is False:
        return "off"
    rows: list[dict[str, Any]] = []
    for condition, levels in node.at("repair_strategies").children():
        rungs: set[str] = set()
        for _, level in levels.children():
            rung = RUNGS.get(level.at("action").value or "")
            if rung is None or rung in rungs:
                continue
            rungs.add(rung)
            level.at("action").use()
            for key in ("mcp", "command"):
                level.at(key).use()
            after, count = (
                level.at(key).number() for key in ("trigger_after_seconds", "trigger_after_restarts")
            )
            counted = None if count is None else int(count)
            rows.append(given(condition=condition, after=span(after), count=counted, rung=rung))
    return rows or None
