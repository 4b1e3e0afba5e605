"""ScaledObjects of KEDA for pools that only have a size: each scales the Deployment that has the name of its pool.

Called by `herder pool scaled-objects`. What KEDA cannot say is a finding, and a setting that would be wrong in KEDA is a problem. Secrets are never written: a token is
read by KEDA from a Secret, and a finding names the command that creates it. Pure.
"""

import io
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from herder.memberships.none import MEMBERSHIP as NONE
from herder.model.fleet.metric import Metric, ValueIs
from herder.model.fleet.pool import PoolSpec
from herder.settings.imports.result import Finding, Kind
from herder.settings.keda.crons import windows
from herder.settings.keda.left_out import PERIOD_MAX_S, WINDOW_MAX_S, left_out
from herder.settings.load import Settings
from herder.settings.sections.server import MetricSource
from herder.settings.syntax.problems import Problem, SettingsError

API = "keda.sh/v1alpha1"
SECRET_KEY = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """`text`: YAML for kubectl apply, with the findings as comments."""

    text: str
    findings: tuple[Finding, ...]


def scaled_objects(settings: Settings, namespace: str, names: Sequence[str] = ()) -> Exported:
    """`names`: of pools; empty: all with membership none. Raises SettingsError with every problem and its place."""
    problems: list[Problem] = []
    pools = _chosen(settings, names, problems)
    sources = {each.name: each for each in settings.metric_sources}
    manifests: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for pool in pools:
        problems += _problems(settings, pool, sources)
        findings += left_out(pool)
        manifests.append(_scaled_object(pool, namespace, sources))
    if problems:
        raise SettingsError(problems)
    used = {metric.source for pool in pools for metric in pool.scale_up.metrics}
    for source in (each for name, each in sorted(sources.items()) if name in used and _has_token(each)):
        manifests.append(_authentication(source, namespace))
        findings.append(_secret(source, namespace))
    return Exported(text=_text(manifests, findings), findings=tuple(findings))


def _chosen(settings: Settings, names: Sequence[str], problems: list[Problem]) -> list[PoolSpec]:
    known = {each.name: each for each in settings.pools}
    if not names:
        sized = [each for each in settings.pools if each.membership == NONE]
        if not sized:
            message = "The files have no pool with membership none, whose size KEDA could set."
            problems.append(
                _problem(settings, "pools", message, "Set membership: none in the pools of your servers.")
            )
        return sized
    found = []
    for name in dict.fromkeys(names):
        pool = next((each for each in known.values() if each.name == name), None)
        if pool is None:
            have = ", ".join(sorted(known)) or "none"
            problems.append(
                _problem(settings, "pools", f"The files have no pool {name!r}.", f"They have {have}.")
            )
        elif pool.membership != NONE:
            message = f"Pool {name} has membership {pool.membership.name}: its size follows its queue, which KEDA does not see."
            remedy = "Name pools with membership none."
            problems.append(_problem(settings, f"pools.{name}.membership", message, remedy))
        else:
            found.append(pool)
    return found


def _problems(settings: Settings, pool: PoolSpec, sources: dict[str, MetricSource]) -> Iterator[Problem]:
    at = f"pools.{pool.name}"
    if pool.size.max_workers == 0:
        message = f"Pool {pool.name} has max_workers 0, and a ScaledObject has at least 1."
        yield _problem(settings, f"{at}.max_workers", message, "Raise max_workers, or name other pools.")
    if not _triggers(pool, sources):
        message = f"Pool {pool.name} has no metric and no schedule that KEDA can use, and a ScaledObject has at least one trigger."
        remedy = "Write metrics or schedules with a duration, or name other pools."
        yield _problem(settings, at, message, remedy)
    if pool.scale_down.idle_timeout_s is None and pool.size.min_workers == 0:
        message = f"Pool {pool.name} never removes an idle worker (idle_timeout: null), and with min_workers 0 KEDA always removes the last replica."
        yield _problem(settings, f"{at}.idle_timeout", message, "Set idle_timeout, or min_workers: 1.")
    for name in dict.fromkeys(each.source for each in pool.scale_up.metrics if each.source not in sources):
        message = f"Metric source {name!r} of pool {pool.name} is not defined."
        yield _problem(settings, f"{at}.metrics", message, f"Define metric_sources: {{{name}: {{url: …}}}}.")


def _scaled_object(pool: PoolSpec, namespace: str, sources: dict[str, MetricSource]) -> dict[str, Any]:
    idle_s = pool.scale_down.idle_timeout_s
    spec: dict[str, Any] = {"scaleTargetRef": {"name": str(pool.name)}}
    if pool.scale_up.metrics:
        spec["pollingInterval"] = max(1, int(min(each.every_s for each in pool.scale_up.metrics)))
    if idle_s is not None:
        spec["cooldownPeriod"] = int(idle_s)
    spec |= {
        "minReplicaCount": pool.size.min_workers,
        "maxReplicaCount": pool.size.max_workers,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": _scale_down(pool)}}},
        "triggers": _triggers(pool, sources),
    }
    return {
        "apiVersion": API,
        "kind": "ScaledObject",
        "metadata": _metadata(pool.name, namespace),
        "spec": spec,
    }


def _scale_down(pool: PoolSpec) -> dict[str, Any]:
    """KEDA has idle_timeout for the last replica only; its HPA has this window for the others."""
    rule = pool.scale_down
    if rule.idle_timeout_s is None:
        return {"selectPolicy": "Disabled"}
    found: dict[str, Any] = {"stabilizationWindowSeconds": min(WINDOW_MAX_S, int(rule.idle_timeout_s))}
    if rule.fraction is not None:
        percent = max(1, round(rule.fraction * 100))
        period_s = min(PERIOD_MAX_S, max(1, int(rule.period_s)))
        found["policies"] = [{"type": "Percent", "value": percent, "periodSeconds": period_s}]
    return found


def _triggers(pool: PoolSpec, sources: dict[str, MetricSource]) -> list[dict[str, Any]]:
    found = [_prometheus(metric, sources.get(metric.source)) for metric in pool.scale_up.metrics]
    for schedule, window in zip(pool.size.schedules, windows(pool.size.schedules), strict=True):
        if window is None or schedule.min_workers <= pool.size.min_workers:
            continue
        start, end = window
        facts = {
            "timezone": schedule.timezone,
            "start": start,
            "end": end,
            "desiredReplicas": str(schedule.min_workers),
        }
        found.append({"type": "cron", "metadata": facts})
    return found


def _prometheus(metric: Metric, source: MetricSource | None) -> dict[str, Any]:
    facts = {
        "serverAddress": "" if source is None else source.url,
        "query": metric.query,
        "threshold": f"{metric.per_worker:.12g}",
    }
    if metric.activation:
        facts["activationThreshold"] = f"{metric.activation:.12g}"
    total = metric.value is ValueIs.TOTAL
    found: dict[str, Any] = {
        "type": "prometheus",
        "name": metric.name,
        "metricType": "AverageValue" if total else "Value",
    }
    if source is not None and _has_token(source):
        facts["authModes"] = "bearer"
        found["authenticationRef"] = {"name": _secret_name(source)}
    return {**found, "metadata": facts}


def _has_token(source: MetricSource) -> bool:
    return source.token_file is not None or source.token_env is not None


def _secret_name(source: MetricSource) -> str:
    return f"herder-{source.name}"


def _authentication(source: MetricSource, namespace: str) -> dict[str, Any]:
    name = _secret_name(source)
    reference = {"parameter": "bearerToken", "name": name, "key": SECRET_KEY}
    return {
        "apiVersion": API,
        "kind": "TriggerAuthentication",
        "metadata": _metadata(name, namespace),
        "spec": {"secretTargetRef": [reference]},
    }


def _secret(source: MetricSource, namespace: str) -> Finding:
    given = (
        f"--from-file={SECRET_KEY}={shlex.quote(source.token_file)}"
        if source.token_file
        else f'--from-literal={SECRET_KEY}="${source.token_env}"'
    )
    text = f"Create the Secret with its token: `kubectl create secret generic {_secret_name(source)} --namespace {namespace} {given}`."
    return Finding(kind=Kind.TO_DO, path=f"metric_sources.{source.name}", text=text)


def _metadata(name: str, namespace: str) -> dict[str, Any]:
    return {"name": str(name), "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "herder"}}


def _problem(settings: Settings, key: str, message: str, remedy: str) -> Problem:
    return Problem(place=settings.place(key), key=key, message=message, remedy=remedy)


def _text(manifests: list[dict[str, Any]], findings: list[Finding]) -> str:
    out = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.explicit_start = True
    writer.width = 100_000
    writer.dump_all(manifests, out)
    head = ["Written by herder pool scaled-objects. Apply it with: kubectl apply -f FILE"]
    head += [f"{each.kind}: {each.path}: {each.text}" for each in findings]
    return "".join(f"# {' '.join(line.split())}\n" for line in head) + out.getvalue()
