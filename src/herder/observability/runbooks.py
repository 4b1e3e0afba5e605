"""The page of runbooks: for each alert what it means, what to look at, and what to do. Made from the rules."""

from herder.model.values.times import span
from herder.observability.rules import GROUPS
from herder.observability.rules.rule import Alert

_PAGE = """\
# Runbooks

One section for each alert rule of `herder observability export`. Words in capitals, such as POOL, are to be replaced: the labels of the alert have them.
How to load the rules: [observe with Prometheus and Grafana](observe.md).
"""


def anchor(name: str) -> str:
    """Of the section of an alert."""
    return name.lower()


def page() -> str:
    """docs/how-to/runbooks.md"""
    parts = [_PAGE]
    for group in GROUPS:
        rows = [f"| [{each.name}](#{anchor(each.name)}) | {each.severity} |" for each in group.alerts]
        parts.append(f"## {group.title}\n\n| alert | severity |\n|---|---|\n" + "\n".join(rows) + "\n")
        parts += [_section(each) for each in group.alerts]
        if group.recordings:
            lines = [f"| `{each.name}` | {each.text} |" for each in group.recordings]
            title = f"### Recorded queries: {group.title[0].lower()}{group.title[1:]}"
            parts.append(f"{title}\n\n| query | meaning |\n|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _section(alert: Alert) -> str:
    lasting = f" for {span(alert.for_s * 1000)}" if alert.for_s else ""
    commands = "\n".join(alert.look)
    return (
        f"### {alert.name}\n\nSeverity {alert.severity}. Condition{lasting}:\n\n```promql\n{alert.expr}\n```\n\n"
        f"**Meaning.** {alert.means}\n\n**Look.**\n\n```\n{commands}\n```\n\n**Remedy.** {alert.remedy}\n"
    )
