"""All files of `herder observability export`, by their path in its folder."""

from herder.observability import dashboards, prometheus, runbooks

RUNBOOKS = "runbooks.md"


def files(*, target: str, namespace: str, runbooks_url: str) -> dict[str, str]:
    """`target`: HOST:PORT of the server. `runbooks_url`: where alerts link to; the page itself is among the files."""
    return {
        "prometheus/herder-rules.yaml": prometheus.rules(runbooks_url),
        "prometheus/prometheus.yml": prometheus.scrape_config(target),
        "kubernetes/prometheusrule.yaml": prometheus.prometheus_rule(runbooks_url, namespace),
        "kubernetes/servicemonitor.yaml": prometheus.service_monitor(namespace),
        **{f"grafana/{name}": text for name, text in dashboards.texts().items()},
        RUNBOOKS: runbooks.page(),
    }
