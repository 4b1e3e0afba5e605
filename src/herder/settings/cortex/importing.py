"""From the text of `worker-pools.json` to the plain form of herder.yaml, with everything that was not taken over and why.

Called by `herder config import-cortex`, which prints or writes the result. What is answered has been read by Herder's own reader: a file that it
would refuse is never answered. Pure but for `load_texts`, which reads no file.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from herder.settings.cortex import budgets, costs, lifecycle, pools, providers, scaling
from herder.settings.cortex.contradictions import contradictions
from herder.settings.cortex.pools import NO
from herder.settings.imports import result
from herder.settings.imports.reading import Node, Source, unread
from herder.settings.imports.result import Finding, Imported, Kind, check_readable, grouped
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.json_text import read_json
from herder.settings.syntax.problems import Place, Problem, SettingsError

KUBECONFIG = "/etc/herder/{cluster}.kubeconfig"
_PLANNED = (
    (r".*\.requires_approval", "Approvals come with cost control."),
)  # fmt: skip
_REASONS = (
    (r"version|last_updated|.*\.(pool_id|pool_type|use_cases|description|step)", ""),
    (r".*\.current_size|.*\.current_spend", "It is a state, which Herder observes."),
    (r".*\.(cleanup_)?check_interval_seconds|.*\.health_check.*", "The server decides at each change and in each cycle."),
    (r".*\.provisioning_triggers\.manual.*", "`herder pool scale` always adds workers, within the limits of the pool."),
    (r".*\.auto_scaling\.metrics\.scale_down_threshold", "A worker is removed when its pods fit elsewhere or it is idle."),
    (r".*\.preemption_config\..*|.*\.cost_savings_percent", "The pool has spot workers; the PriorityClass is in `herder cluster manifests`."),
    (r".*\.gpu_config.*|worker_templates\..*\.resources.*", "It follows from the template, its labels and the image of the machine."),
    (r"proxmox_integration\.(default_node|tags).*", "The driver chooses the node, and gives each VM tags of its own."),
    (r"proxmox_integration.*|.*\.(template_name|proxmox_template_id)", "It follows from the template VM, or from the first template of the pool."),
    (r"talos_integration.*|.*\.talos_config.*", "It is set in the base configuration of Talos, or in its image."),
    (r".*\.proxmox_config.*", "A raw PCI address needs root@pam; use a mapping of Proxmox, without x-vga."),
    (r".*\.joining.*", "A node has joined when it is Ready, in the steps join and ready."),
    (r".*\.pod_eviction_delay_seconds", "Pods are evicted as their budgets allow it."),
    (r".*\.(draining|termination)\..*", "The order of a removal is fixed: drain, machine, then the Node object."),
    (r".*\.(health_checks|unhealthy_threshold_minutes|health_monitoring).*", "Conditions of nodes are watched; the table `repair` is when they are answered."),
    (r".*\.escalate", "An event asks for a person when the ladder has ended."),
    (r".*\.repair_strategies\..*", "The table has this rung already, or Herder has no such action."),
    (r".*\.(enabled|cleanup_policy|exclude_system_pods|idle_detection|ttl_cleanup)(\..*)?", "Herder does this in any case."),
    (r"scheduling_policies\.priority_classes.*", "`herder cluster manifests` writes the PriorityClasses."),
    (r"scheduling_policies.*", "Rules of pods stay in the manifests of the pods."),
    (r"monitoring_and_alerting.*", "Herder has metrics at /metrics and a dashboard of its own."),
    (r".*\.(error_handling|timeout_seconds)|.*\.network_bandwidth_gbps", "Each step has its time-out; failed calls are tried again (create_tries)."),
    (r"cost_tracking\..*\.monthly_budget", "Budgets are in US dollars, and cost_tracking is off or in another currency."),
    (r"cost_tracking\.alerts\..*", "The cost of spot preemptions is in `herder cost report`."),
    (r"cost_tracking\..*", "Costs are computed in US dollars from the prices of the templates."),
)  # fmt: skip


def imported(text: str, file: str, environment: Mapping[str, str] | None = None) -> Imported:
    """Raises SettingsError with every problem and its path. `environment`: the variables of Cortex; of secrets only whether they are set."""
    root = Node(source=Source(file=file), value=_parsed(text, file))
    if scaling.SECTION in root.value:
        return scaling.imported_scaling(root)
    if "worker_pool_definitions" not in root.value:
        return costs.imported_costs(root)
    cluster = root.at("cluster_name").text() or "prod"
    environment = environment or {}
    plain = _plain(root, cluster, environment)
    told = [Finding(kind=Kind.TO_DO, path=f"clusters.{cluster}", text=_CLUSTER)]
    limits = {"budgets": budgets.pool_budgets(root), "alerts": budgets.pool_alerts(root, told)}
    plain |= {key: value for key, value in limits.items() if value}
    more = providers.to_do(plain, environment)
    told += [Finding(kind=Kind.TO_DO, path=path, text=said) for path, said in more]
    told += [Finding(kind=Kind.CONTRADICTION, path=path, text=said) for path, said in contradictions(root)]
    said_of = {each.path for each in told}
    told += [each for each in _left(root) if each.path not in said_of]
    if root.source.problems:
        raise SettingsError(root.source.problems)
    check_readable(plain, file)
    return Imported(plain=plain, findings=grouped(told))


_CLUSTER = "Write where the kubeconfig of the cluster is; the path in the file is an example."


def _parsed(text: str, file: str) -> dict[str, Any]:
    try:
        found = read_json(text)
    except Unreadable as error:
        place = Place(file=file, line=error.line, column=error.column)
        raise SettingsError(
            [Problem(place=place, key="", message=error.message, remedy=error.remedy)]
        ) from None
    tops = ("worker_pool_definitions", scaling.SECTION, *costs.SECTIONS)
    if isinstance(found, dict) and any(isinstance(found.get(key), dict) for key in tops):
        return found
    raise SettingsError(
        [
            Problem(
                place=Place(file=file),
                key="worker_pool_definitions",
                message="The file has no worker pools, so it is not a worker-pools.json.",
                remedy="Name the file worker-pools.json, cost-tracking.json or mcp-scaling.json of Cortex.",
            )
        ]
    )


def _plain(root: Node, cluster: str, environment: Mapping[str, str]) -> dict[str, Any]:
    known = pools.templates(root.at("worker_templates"))
    found = pools.pools(root, known, cluster)
    driver, bootstrap = providers.proxmox(root, environment), providers.talos(root, environment)
    common, short_lived = lifecycle.common(root), lifecycle.temporary(root)
    for name, pool in found.items():
        alike = {**common, **(short_lived if "ttl" in pool else {})}
        machine = pools.given(
            driver_options=providers.options(root, pool) or None,
            bootstrap=providers.BOOTSTRAP if bootstrap else None,
        )
        first = {"preempts_spot": True} if pool.get("min_workers") and _has_spot(found) else {}
        merged = {
            **pool,
            **machine,
            **{key: value for key, value in alike.items() if key not in pool},
            **first,
        }
        found[name] = {key: None if value is NO else value for key, value in merged.items()}
    plain = {
        "drivers": {
            pools.DRIVER: {
                "kind": pools.DRIVER,
                **({"settings": driver} if driver else {}),
                **lifecycle.creation(root),
            }
        },
        "bootstraps": {providers.BOOTSTRAP: bootstrap} if bootstrap else {},
        "clusters": {cluster: {"kubeconfig": KUBECONFIG.format(cluster=cluster)}},
        "templates": known,
        "pools": found,
    }
    own: dict[str, Any] = json.loads(json.dumps({key: value for key, value in plain.items() if value}))
    return own  # without values that two places share, which YAML would write as aliases


def _has_spot(found: dict[str, Any]) -> bool:
    return any(isinstance(each, dict) for pool in found.values() for each in pool.get("templates", ()))


def _left(root: Node) -> Iterator[Finding]:
    for path in unread(root):
        dotted = ".".join(path)
        for pattern, what in _PLANNED:
            if re.fullmatch(rf"({pattern})(\..*)?", dotted):
                yield Finding(kind=Kind.PLANNED, path=dotted, text=f"Planned. {what}")
                break
        else:
            why = next((why for pattern, why in _REASONS if re.fullmatch(pattern, dotted)), _UNKNOWN)
            if why:
                yield Finding(kind=Kind.NOT_TAKEN, path=dotted, text=why)


_UNKNOWN = "Herder has no setting for it."


def written(found: Imported, file: str) -> str:
    """herder.yaml with the findings as comments."""
    return result.written(found, file, "import-cortex")
