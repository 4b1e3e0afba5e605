"""Builds the JSON of a dashboard from rows of panels. Knows the form of Grafana, and no metric."""

from dataclasses import dataclass
from typing import Any

#: Grafana's grid is 24 wide.
WIDTH, HEIGHT = 24, 8
#: The form of dashboards that Grafana migrates from: 10.4 and later read it as it is.
SCHEMA_VERSION = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`queries`: (PromQL, legend). `kind`: timeseries, stat, bargauge, heatmap or table. `unit`: one of Grafana's."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    text: str = ""
    stacked: bool = False


Rows = tuple[tuple[str, tuple[Panel, ...]], ...]
"""(title of the row, its panels)."""


def dashboard(name: str, title: str, rows: Rows) -> dict[str, Any]:
    """The whole of one. Its variables: the source of data, and pools, of which all are shown at first."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row_title, row in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row_title,
                "collapsed": False,
                "gridPos": _place(0, top, WIDTH, 1),
                "panels": [],
            }
        )
        top += 1
        width = WIDTH // len(row)
        for place, panel in enumerate(row):
            panels.append(_panel(panel, len(panels) + 1, _place(place * width, top, width, HEIGHT)))
        top += HEIGHT
    return {
        "uid": name,
        "title": title,
        "tags": ["herder"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source_variable(), _pool_variable()]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Herder",
                "tags": ["herder"],
                "asDropdown": True,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "tooltip": "",
            }
        ],
        "panels": panels,
    }


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    instant = panel.kind in ("stat", "bargauge", "table")
    custom = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if panel.stacked else {}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.text} if panel.text else {}),
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": expr,
                "legendFormat": legend or "__auto",
                "range": not instant,
                "instant": instant,
                **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for at, (expr, legend) in enumerate(panel.queries)
        ],
    }


def _source_variable() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}


def _pool_variable() -> dict[str, Any]:
    return {
        "type": "query",
        "name": "pool",
        "label": "Pool",
        "datasource": _SOURCE,
        "query": {"query": "label_values(herder_pool_max_workers, pool)", "refId": "pool"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all", "selected": True},
    }
