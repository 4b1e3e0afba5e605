"""From the text of `mcp-scaling.json` to pools of MCP servers in herder.yaml, with what is to be done by hand, what contradicts itself and what was not taken over.

Called by `importing`. Each scaling template is a pool with membership none, whose workers are the replicas of its Deployment. The pools are frozen: nothing is created
before a person has said whether Herder or KEDA scales them (`settings/keda`). Pure.
"""

import re
from collections.abc import Iterator
from typing import Any

from herder.model.values.phrases import listed
from herder.settings.cortex.pools import given, span
from herder.settings.cortex.scaling_contradictions import contradictions
from herder.settings.imports.reading import Node, unread
from herder.settings.imports.result import Finding, Imported, Kind, check_readable, grouped
from herder.settings.syntax.numbers import number
from herder.settings.syntax.problems import SettingsError

#: Of which one tells that it is this file.
SECTION = "scaling_templates"
SOURCE = "prometheus"
_DAY_MINUTES = 24 * 60
#: A metric's last value is used for at least so long; longer where it is asked for more seldom.
_KEEP_S = 300
_OF_DEPLOYMENT = "It stays in the Deployment of the server, or in its image."
_REASONS = (
    (r"version|description|last_updated", "It describes the file."),
    (r"(scaling_best_practices|troubleshooting|references).*|.*\.description", "It is text for people."),
    (r"keda_version", "`herder pool scaled-objects` writes manifests of keda.sh/v1alpha1."),
    (r"scaling_templates\.[^.]+\.name", "A ScaledObject has the name of its pool."),
    (r".*\.triggers\.\d+(\.metadata)?(\..*)?", "Herder asks Prometheus only, so nothing of this trigger is used."),
    (r".*\.(resource_limits\.limits|node_selector).*", _OF_DEPLOYMENT),
    (r".*\.behavior\.scale_up.*", "A pool limits what one plan creates: new_workers_per_cycle."),
    (r".*\.behavior\.scale_down\.stabilization_window_seconds", "A pool has one such time, idle_timeout, which is the cooldown period of the file."),
    (r".*\.advanced_config(\.behavior(\.scale_down.*)?)?", "A pool has one limit, a percentage in a period: scale_down_fraction and scale_down_period."),
    (r"scaling_thresholds.*", "Each metric has the share that one worker takes: per_worker."),
    (r"scaling_policies.*", "No scaling template names this policy."),
    (r"warm_standby_configurations.*\.target_(cpu|memory)_utilization", "Workers with membership none do not report what they use."),
    (r"warm_standby_configurations.*\.pod_disruption_budget.*", "A PodDisruptionBudget stays beside its Deployment."),
    (r"warm_standby_configurations.*", "The limits of scaling_templates are used."),
    (r"cost_optimization\.spot_instance_config.*", _OF_DEPLOYMENT),
    (r"cost_optimization\.vertical_pod_autoscaler.*", "A template has one size; a VerticalPodAutoscaler stays beside its Deployment."),
    (r"cost_optimization\.scale_to_zero_strategy.*", "Each pool has min_workers and idle_timeout."),
    (r"cost_optimization\.resource_quotas.*", "A ResourceQuota stays in its namespace; a pool has max_workers."),
    (r"monitoring_config.*", "Rules and dashboards of KEDA stay where they are; `herder observability export` writes those of Herder."),
    (r"cold_start_optimization.*", _OF_DEPLOYMENT),
)  # fmt: skip
_UNKNOWN = "Herder has no setting for it."


def imported_scaling(root: Node) -> Imported:
    """Raises SettingsError with every problem and its path."""
    told: list[Finding] = []
    made = _Made(told)
    if not root.at(SECTION).value:
        root.source.wrong((SECTION,), "The file has no scaling template.", "Write at least one.")
    for _, each in root.at(SECTION).children():
        made.add(each)
    made.spot(root.at("cost_optimization", "spot_instance_config"))
    told += made.to_do()
    told += [Finding(kind=Kind.CONTRADICTION, path=path, text=text) for path, text in contradictions(root)]
    if root.source.problems:
        raise SettingsError(root.source.problems)
    known = {each.path for each in told}
    told += [each for each in _left(root) if each.path not in known]
    plain = {
        key: value
        for key, value in (
            ("metric_sources", made.sources),
            ("templates", made.templates),
            ("pools", made.pools),
        )
        if value
    }
    check_readable(plain, root.source.file)
    return Imported(plain=plain, findings=grouped(told))


class _Made:
    """Sections of herder.yaml by name, as templates of the file are read one after another."""

    def __init__(self, told: list[Finding]) -> None:
        self.told = told
        self.sources: dict[str, dict[str, str]] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.pools: dict[str, dict[str, Any]] = {}
        self._namespaces: dict[str, list[str]] = {}

    def add(self, node: Node) -> None:
        name = node.at("deployment").text()
        if not name:
            node.source.wrong(
                node.at("deployment").path, "The template has no deployment.", 'Write "deployment": "NAME".'
            )
            return
        if name in self.pools:
            node.source.wrong(
                node.at("deployment").path, f"Two templates have the deployment {name}.", "Remove one."
            )
            return
        limits = node.at("scaling_config")
        every = limits.at("polling_interval_seconds").number()
        self.templates[name] = _size(node.at("resource_limits", "requests"))
        self.pools[name] = given(
            membership="none",
            frozen=True,
            templates=[name],
            min_workers=limits.at("min_replicas").whole(),
            max_workers=limits.at("max_replicas").whole(),
            idle_timeout=span(limits.at("cooldown_period_seconds").number()),
            **_shrinking(node.at("advanced_config", "behavior", "scale_down")),
            **self._triggers(node.at("triggers"), every),
        )
        if namespace := node.at("namespace").text():
            self._namespaces.setdefault(namespace, []).append(name)

    def spot(self, node: Node) -> None:
        names = [name for each in node.at("applicable_to").listed() if (name := each.text())]
        if node.at("enabled").flag() is False or not names:
            return
        text = f"Set spot: prefer in the templates {listed(names)} when their driver has spot workers."
        self.told.append(Finding(kind=Kind.TO_DO, path=_path(node.at("applicable_to")), text=text))

    def to_do(self) -> Iterator[Finding]:
        for namespace, names in self._namespaces.items():
            words = " ".join(names) if len(self._namespaces) > 1 else ""
            text = f"Run `herder pool scaled-objects{' ' * bool(words)}{words} --namespace {namespace}` to let KEDA scale the Deployments."
            yield Finding(kind=Kind.TO_DO, path="pools", text=text)
        if self.pools:
            text = (
                "To let Herder create a machine for each server instead, set driver, the prices of the templates and ttl, and remove frozen: "
                "Herder adds workers for metrics, but without an agent it does not know that one is idle."
            )
            yield Finding(kind=Kind.TO_DO, path="pools", text=text)

    def _triggers(self, node: Node, every_s: float | None) -> dict[str, Any]:
        metrics, schedules = [], []
        for each in node.listed():
            kind, facts = each.at("type").text(), each.at("metadata")
            if kind == "prometheus":
                metrics.append(self._metric(facts, every_s))
            elif kind == "cron":
                schedules += self._schedule(facts)
            else:
                self._other(each, kind)
        return given(metrics=metrics or None, schedules=schedules or None)

    def _metric(self, node: Node, every_s: float | None) -> dict[str, Any]:
        url = _needed(node, "server_address")
        source = next((name for name, has in self.sources.items() if has["url"] == url), None)
        if source is None:
            source = SOURCE if not self.sources else f"{SOURCE}-{len(self.sources) + 1}"
            self.sources[source] = {"url": url}
        keep_s = None if every_s is None or every_s <= _KEEP_S else every_s
        return given(
            name=_needed(node, "metric_name").replace("_", "-"),
            query=_needed(node, "query"),
            per_worker=_figure(node.at("threshold"), needed=True),
            source=None if source == SOURCE else source,
            activation=_figure(node.at("activation_threshold")),
            every=span(every_s),
            keep=span(keep_s),
        )

    def _schedule(self, node: Node) -> list[dict[str, Any]]:
        start, end = _needed(node, "start"), _needed(node, "end")
        lasts = _minutes_between(start, end)
        wanted = _figure(node.at("desired_replicas"), needed=True)
        if lasts is None:
            text = f"Write a schedule with a duration: from {start} until {end} Herder cannot tell how long it lasts."
            self.told.append(Finding(kind=Kind.TO_DO, path=_path(node), text=text))
            return []
        zone = node.at("timezone").text()
        return [given(cron=start, timezone=zone, min_workers=wanted, duration=span(lasts, 60))]

    def _other(self, node: Node, kind: str | None) -> None:
        facts = node.at("metadata")
        text = f"Write a metric whose query gives what the trigger {kind or 'without a type'} measures: Herder asks Prometheus only."
        if kind == "redis":
            length, each = facts.at("list_name").text() or "", _figure(facts.at("list_length")) or "?"
            text = f"Write a metric whose query gives the length of the list {length}, with per_worker: {each}. Herder asks Prometheus only."
        self.told.append(Finding(kind=Kind.TO_DO, path=_path(facts), text=text))


def _size(node: Node) -> dict[str, Any]:
    gpus = node.at("nvidia_gpu").whole()
    return given(
        cpu=node.at("cpu").text(),
        memory=node.at("memory").text(),
        disk=node.at("ephemeral_storage").text(),
        gpu=gpus or None,
        slots=1,
        price_per_hour="0",
    )


def _shrinking(node: Node) -> dict[str, Any]:
    """Only of one percentage in a period: then both say the same."""
    policies = list(node.at("policies").listed())
    if len(policies) != 1 or policies[0].at("type").value != "Percent":
        return {}
    (policy,) = policies
    policy.at("type").use()
    percent = policy.at("value").number()
    return given(
        scale_down_fraction=None if percent is None else f"{percent:g}%",
        scale_down_period=span(policy.at("period_seconds").number()),
    )


def _needed(node: Node, key: str) -> str:
    found = node.at(key).text()
    if found is None:
        node.source.wrong((*node.path, key), f"The trigger has no {key}.", f'Write "{key}": "…".')
    return found or ""


def _figure(node: Node, *, needed: bool = False) -> str | None:
    """A number that may be written as a text, as KEDA has it; as a text."""
    if node.value is None:
        if needed:
            node.source.wrong(
                node.path, f"The trigger has no {node.path[-1]}.", f'Write "{node.path[-1]}": "5".'
            )
        return None
    found = number(node.text() or "") if isinstance(node.value, str) else node.number()
    if found is None:
        node.source.wrong(node.path, f"{node.value!r} is not a number.", 'Write for example "10".')
        return None
    return f"{found:.12g}"


def _minutes_between(start: str, end: str) -> int | None:
    """Where both are one time of a day, on the same days; None: they are not."""
    (at, days), (until, other) = _daily(start), _daily(end)
    if at is None or until is None or days != other:
        return None
    lasts = (until - at) % _DAY_MINUTES
    # Across midnight it ends on another day, which the same days say only when they are all.
    return lasts if lasts and (until > at or days == ["*", "*", "*"]) else None


def _daily(cron: str) -> tuple[int | None, list[str]]:
    minute, hour, *days = [*cron.split(), "", ""][:5]
    plain = re.fullmatch(r"[0-9]{1,2}", minute) and re.fullmatch(r"[0-9]{1,2}", hour)
    return (int(hour) * 60 + int(minute) if plain else None), days


def _left(root: Node) -> Iterator[Finding]:
    for path in unread(root):
        dotted = ".".join(path)
        why = next((why for pattern, why in _REASONS if re.fullmatch(pattern, dotted)), _UNKNOWN)
        yield Finding(kind=Kind.NOT_TAKEN, path=dotted, text=why)


def _path(node: Node) -> str:
    return ".".join(node.path)
