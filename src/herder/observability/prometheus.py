"""Files for Prometheus: the rules as a file and as a manifest of the Prometheus operator, and examples of a scrape configuration.

Called by `herder observability export`. Text only; the address and names come from the caller.
"""

import io
from collections.abc import Mapping
from typing import Any

from herder.observability.rules import GROUPS
from herder.observability.rules.rule import Alert
from herder.observability.runbooks import anchor

#: Both of Prometheus' and of its operator's objects; the example of the scrape configuration and HerderDown use it.
JOB = "herder"
SCRAPE_S = 15


def groups(runbooks: str) -> list[dict[str, Any]]:
    """As both files have them. `runbooks`: the address of the page of runbooks, without an anchor."""
    return [
        {
            "name": group.name,
            "rules": [
                *({"record": each.name, "expr": each.expr} for each in group.recordings),
                *(_alert(each, runbooks) for each in group.alerts),
            ],
        }
        for group in GROUPS
    ]


def _alert(alert: Alert, runbooks: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": duration(alert.for_s)} if alert.for_s else {}),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": f"{alert.means} {alert.remedy}",
            "runbook_url": f"{runbooks}#{anchor(alert.name)}",
        },
    }


def duration(seconds: int) -> str:
    """As Prometheus writes it: 90s, 5m, 12h."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def rules(runbooks: str) -> str:
    """For `rule_files`."""
    return _yaml(
        {"groups": groups(runbooks)}, "Alert rules of Herder. Check them with: promtool check rules FILE"
    )


def rules_of_the_chart() -> str:
    """packaging/helm/herder/files/rules.yaml: the page of runbooks comes with `herder observability export`."""
    return rules("runbooks.md")


def prometheus_rule(runbooks: str, namespace: str) -> str:
    """The same for the Prometheus operator."""
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(namespace),
        "spec": {"groups": groups(runbooks)},
    }
    return _yaml(
        manifest, "Alert rules of Herder for the Prometheus operator. Apply with: kubectl apply -f FILE"
    )


def service_monitor(namespace: str) -> str:
    """Scrapes a Service whose port is called http. The token is read from a Secret."""
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _metadata(namespace),
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": JOB}},
            "jobLabel": "app.kubernetes.io/name",
            "endpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": f"{SCRAPE_S}s",
                    "authorization": {
                        "type": "Bearer",
                        "credentials": {"name": "herder-metrics-token", "key": "token"},
                    },
                }
            ],
        },
    }
    return _yaml(
        manifest,
        "Scrapes a Service with the label app.kubernetes.io/name: herder. The Secret has a token of the role viewer:",
        "kubectl create secret generic herder-metrics-token --from-literal=token=TOKEN",
    )


def scrape_config(target: str) -> str:
    """An example of prometheus.yml, with the rules beside it."""
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": ["herder-rules.yaml"],
        "scrape_configs": [
            {
                "job_name": JOB,
                "authorization": {"type": "Bearer", "credentials_file": "herder-token"},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    return _yaml(
        config,
        "An example of prometheus.yml. The file herder-token has a token of the role viewer:",
        "herder token create prometheus --save herder-token",
    )


def _metadata(namespace: str) -> dict[str, Any]:
    return {"name": JOB, "namespace": namespace, "labels": {"app.kubernetes.io/name": JOB}}


def _yaml(plain: Mapping[str, Any], *comments: str) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(plain, out)
    return "".join(f"# {line}\n" for line in comments) + out.getvalue()
