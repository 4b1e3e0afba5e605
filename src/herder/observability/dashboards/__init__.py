"""Dashboards of Grafana, as JSON: pools, lives of workers, costs, jobs."""

import json

from herder.observability.dashboards import contents
from herder.observability.dashboards.panels import dashboard

#: By the id in the address of each: /d/worker-pools-overview.
DASHBOARDS = {
    "worker-pools-overview": ("Worker pools: overview", contents.POOLS),
    "worker-lifecycle": ("Workers: life cycle", contents.LIFECYCLE),
    "worker-cost-tracking": ("Workers: cost tracking", contents.COSTS),
    "jobs": ("Jobs", contents.JOBS),
}


def texts() -> dict[str, str]:
    """By file name."""
    return {
        f"{name}.json": json.dumps(dashboard(name, title, rows), indent=2) + "\n"
        for name, (title, rows) in DASHBOARDS.items()
    }
