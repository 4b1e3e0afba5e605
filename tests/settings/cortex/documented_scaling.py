"""The `mcp-scaling.json` of Cortex as its documents state it: each section and field with the documented figures; of lists of the same kind one example. Used by the tests of its import and of KEDA's manifests."""

from typing import Any

SERVER = "http://prometheus-server.monitoring:9090"
#: Limits: minimum, maximum, polling and cooldown in seconds. Requests and limits: memory, CPU and more.
TEMPLATES: dict[str, tuple[tuple[int, int, int, int], dict[str, Any], dict[str, Any]]] = {
    "filesystem_server": ((0, 10, 30, 300), {"memory": "256Mi", "cpu": "250m"}, {"memory": "512Mi", "cpu": "500m"}),
    "git_server": ((1, 15, 20, 240), {"memory": "512Mi", "cpu": "500m", "ephemeral_storage": "2Gi"}, {"memory": "1Gi", "cpu": "1000m", "ephemeral_storage": "5Gi"}),
    "database_server": ((2, 20, 15, 180), {"memory": "512Mi", "cpu": "500m"}, {"memory": "1Gi", "cpu": "1000m"}),
    "http_server": ((0, 30, 10, 120), {"memory": "256Mi", "cpu": "250m"}, {"memory": "512Mi", "cpu": "500m"}),
    "queue_processor": ((1, 50, 10, 60), {"memory": "512Mi", "cpu": "500m"}, {"memory": "1Gi", "cpu": "1000m"}),
    "ai_inference_server": ((2, 10, 20, 300), {"memory": "2Gi", "cpu": "1000m", "nvidia_gpu": 1}, {"memory": "4Gi", "cpu": "2000m", "nvidia_gpu": 1}),
    "batch_processor": ((0, 20, 30, 300), {"memory": "1Gi", "cpu": "500m"}, {"memory": "2Gi", "cpu": "1000m"}),
}  # fmt: skip
#: Name, threshold, query and activation threshold.
METRICS: dict[str, tuple[tuple[str, ...], ...]] = {
    "filesystem_server": (("mcp_filesystem_request_rate", "10", 'sum(rate(mcp_requests_total{server="filesystem"}[1m]))', "1"),),
    "git_server": (
        ("git_operations_per_second", "20", "sum(rate(mcp_git_operations_total[1m]))"),
        ("git_clone_queue_depth", "5", "sum(mcp_git_clone_queue_length)"),
    ),
    "database_server": (
        ("database_query_rate", "100", "sum(rate(mcp_database_queries_total[1m]))"),
        ("database_connection_pool_utilization", "0.8", "sum(mcp_database_connections_active) / sum(mcp_database_connections_max)"),
    ),
    "http_server": (
        ("http_requests_per_second", "150", 'sum(rate(http_requests_total{service="mcp-http-server"}[1m]))', "10"),
        ("http_request_duration_p95", "1.5", "histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket[5m])) by (le))"),
    ),
    "queue_processor": (("queue_processing_lag_seconds", "30", "max(time() - mcp_queue_task_timestamp)"),),
    "ai_inference_server": (
        ("ai_inference_queue_depth", "10", "sum(ai_inference_queue_length)"),
        ("ai_active_sessions", "20", "sum(ai_sessions_active)"),
        ("gpu_utilization", "75", 'avg(nvidia_gpu_duty_cycle{pod=~"mcp-ai-inference-.*"})'),
    ),
    "batch_processor": (("batch_jobs_pending", "10", "sum(batch_jobs_pending)"),),
}  # fmt: skip
REDIS = {
    "address": "redis-master.cortex-mcp:6379", "password_from_env": "REDIS_PASSWORD", "database_index": "0",
    "list_name": "mcp_task_queue", "list_length": "5", "activation_list_length": "1",
}  # fmt: skip
CRONS = (("0 8 * * *", "0 18 * * *", "5"), ("0 18 * * *", "0 8 * * *", "1"))
TRAFFIC = {"low": (10, 1, 10), "medium": (50, 5, 5), "high": (150, 15, 3), "peak": (300, 30, 5)}


def scaling() -> dict[str, Any]:
    """The whole file, new at each call."""
    return {
        "version": "1.0.0",
        "description": "KEDA ScaledObject templates",
        "last_updated": "2025-12-09",
        "keda_version": "2.12.0",
        "scaling_templates": {name: _template(name) for name in TEMPLATES},
        "scaling_thresholds": {
            f"{name}_traffic": {"requests_per_second": rate, "target_replicas": replicas, "scale_down_after_minutes": minutes}
            for name, (rate, replicas, minutes) in TRAFFIC.items()
        },
        "scaling_policies": {
            "aggressive_scale_up": {**_rule(0, ("Percent", 200, 15), ("Pods", 10, 15)), "description": "Rapid", "select_policy": "Max"},
            "conservative_scale_down": {**_rule(300, ("Percent", 25, 60), ("Pods", 1, 60)), "description": "Slow", "select_policy": "Min"},
        },
        "warm_standby_configurations": {
            "critical_services": {**_standby(3, 30, 70, 80, "database-server", "git-server", "ai-inference-server"), "pod_disruption_budget": {"min_available": 2}},
            "standard_services": {**_standby(1, 20, 75, 85, "http-server"), "pod_disruption_budget": {"min_available": 1}},
            "ephemeral_services": {**_standby(0, 15, 80, 90, "filesystem-server", "batch-processor"), "scale_to_zero_grace_period_minutes": 10},
        },
        "cost_optimization": _costs(),
        "monitoring_config": {
            "prometheus_rules": [{"name": "mcp_at_max_scale", "expr": "a >= b", "for": "10m", "severity": "critical", "summary": "At maximum"}],
            "grafana_dashboards": [{"name": "MCP Scaling Overview", "uid": "mcp-scaling-overview", "panels": ["request_rate"]}],
            "service_monitor": {"enabled": True, "interval": "30s", "path": "/metrics", "port": "metrics"},
        },
        "cold_start_optimization": {
            "image_pull_policy": "IfNotPresent",
            "preload_modules": True,
            "cache_warming": {"enabled": True, "init_container": True, "warmup_script": "/app/scripts/warm-cache.js"},
            "lazy_loading": {"enabled": True, "modules": {"git": {"load_on_demand": True, "cache_timeout_seconds": 1800}, "database": {"load_on_demand": False, "preload": True}}},
            "topology_aware_scheduling": {"enabled": True, "spread_across_zones": True, "prefer_cached_nodes": True},
        },
        "scaling_best_practices": {"general": ["Use multiple triggers"], "keda_specific": ["Use fallback"]},
        "troubleshooting": {"slow_cold_starts": ["Optimize the image"]},
        "references": {"keda_documentation": "https://keda.sh/docs/"},
    }  # fmt: skip


def deployment(template: str) -> str:
    return f"mcp-{template.replace('_', '-')}"


def _template(name: str) -> dict[str, Any]:
    (least, most, polling, cooldown), requests, limits = TEMPLATES[name]
    found: dict[str, Any] = {
        "name": f"{deployment(name)}-scaler",
        "namespace": "cortex-mcp",
        "deployment": deployment(name),
        "scaling_config": {
            "min_replicas": least,
            "max_replicas": most,
            "polling_interval_seconds": polling,
            "cooldown_period_seconds": cooldown,
            "scale_to_zero": least == 0,
        },
        "triggers": _triggers(name),
        "resource_limits": {"requests": dict(requests), "limits": dict(limits)},
    }
    if name == "http_server":
        up = {**_rule(0, ("Percent", 100, 15), ("Pods", 5, 15)), "select_policy": "Max"}
        found["advanced_config"] = {
            "behavior": {"scale_down": _rule(300, ("Percent", 50, 60)), "scale_up": up}
        }
    if "nvidia_gpu" in requests:
        found["node_selector"] = {"nvidia.com/gpu": "true"}
    return found


def _triggers(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if name == "queue_processor":
        found.append({"type": "redis", "metadata": dict(REDIS)})
    if name == "batch_processor":
        for start, end, replicas in CRONS:
            facts = {"timezone": "America/Los_Angeles", "start": start, "end": end}
            found.append({"type": "cron", "metadata": {**facts, "desired_replicas": replicas}})
    for metric, threshold, query, *activation in METRICS[name]:
        facts = {
            "server_address": SERVER,
            "metric_name": metric,
            "threshold": threshold,
            **({"activation_threshold": activation[0]} if activation else {}),
            "query": query,
        }
        found.append({"type": "prometheus", "metadata": facts})
    return found


def _rule(window_s: int, *policies: tuple[str, int, int]) -> dict[str, Any]:
    rows = [{"type": kind, "value": value, "period_seconds": seconds} for kind, value, seconds in policies]
    return {"stabilization_window_seconds": window_s, "policies": rows}


def _standby(least: int, most: int, cpu: int, memory: int, *services: str) -> dict[str, Any]:
    return {
        "description": "Services",
        "min_replicas": least,
        "max_replicas": most,
        "target_cpu_utilization": cpu,
        "target_memory_utilization": memory,
        "services": [f"mcp-{each}" for each in services],
    }


def _costs() -> dict[str, Any]:
    spot = {"key": "node.kubernetes.io/spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    return {
        "spot_instance_config": {
            "enabled": True,
            "tolerations": [spot],
            "node_affinity_weight": 100,
            "applicable_to": ["mcp-batch-processor", "mcp-queue-processor", "mcp-filesystem-server"],
        },
        "vertical_pod_autoscaler": {
            "enabled": True,
            "update_mode": "Auto",
            "min_allowed": {"cpu": "100m", "memory": "128Mi"},
            "max_allowed": {"cpu": "4000m", "memory": "8Gi"},
            "applicable_to": ["mcp-http-server"],
        },
        "scale_to_zero_strategy": {
            "enabled": True,
            "idle_timeout_minutes": 10,
            "grace_period_seconds": 30,
            "applicable_to": ["mcp-filesystem-server", "mcp-batch-processor"],
        },
        "resource_quotas": {
            "namespace": "cortex-mcp",
            "requests": {"cpu": "50", "memory": "100Gi", "storage": "500Gi"},
            "limits": {"cpu": "100", "memory": "200Gi"},
            "max_pods": 100,
        },
    }
