"""driver_options of a pool whose machines are made through an MCP server are looked at before a server starts, as those of Proxmox are."""

import pytest

from herder.drivers.registry import settings_faults
from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.syntax.problems import Problem, Severity

FILE = """
drivers:
  pve:
    kind: mcp
    settings: {{command: proxmox-mcp-server}}
pools:
  burst:
    driver: pve
    max_workers: 5
    templates: [medium]
    driver_options: {{{options}}}
"""


def errors(options: str) -> list[Problem]:
    settings = load_texts([("h.yaml", FILE.format(options=options))])
    return [each for each in lint(settings, driver_faults=settings_faults) if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ("template: a, memroy: 4Gi", ".memroy", "no option 'memroy'"),
        ("template: a, cores: many", ".cores", "cores 'many' is not possible"),
        ("cores: 2", "", "does not name a template VM"),
    ],
)
def test_an_option_that_cannot_be(options: str, key: str, message: str) -> None:
    (found,) = errors(options)
    assert found.key == f"pools.burst.driver_options{key}"
    assert message in found.message
    assert found.place.line > 0


def test_options_that_can_be() -> None:
    assert errors("template: talos-worker, cores: 4, memory: 16Gi") == []
