"""driver_options of a pool with the Proxmox driver are looked at before a server starts: each problem has its place and its remedy."""

import pytest

from herder.drivers.registry import settings_faults
from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.syntax.problems import Problem, Severity
from tests.words.rules import faults

FILE = """
drivers:
  pve:
    kind: proxmox
    settings: {{url: "https://pve1.example:8006", token_id: herder@pve!workers}}
pools:
  burst:
    driver: pve
    max_workers: 5
    templates: [{template}]
    driver_options: {{{options}}}
"""


def errors(options: str, template: str = "medium") -> list[Problem]:
    settings = load_texts([("h.yaml", FILE.format(options=options, template=template))])
    return [each for each in lint(settings, driver_faults=settings_faults) if each.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("options", "key", "message", "remedy"),
    [
        ("template: a, memroy: 4Gi", ".memroy", "no option 'memroy'", "Possible are template, cores"),
        ("template: a, memory: lots", ".memory", "memory 'lots' is not possible", "a size such as 16Gi"),
        ("template: a, disk: 0", ".disk", "disk '0' is not possible", "a size such as 16Gi"),
        ("template: a, cores: many", ".cores", "cores 'many' is not possible", "a number from 1 to 4,096"),
        ("template: a, vlan: 5000", ".vlan", "vlan '5000' is not possible", "a number from 1 to 4,094"),
        (
            "template: a, tags: UPPER",
            ".tags",
            "tags 'UPPER' is not possible",
            "words of small letters, digits",
        ),
        ("template: 'a b'", ".template", "template 'a b' is not possible", "Write a name of Proxmox"),
        ("cores: 2", "", "does not name a template VM", "driver_options: {template: NAME or VMID}"),
    ],
)
def test_an_option_that_cannot_be(options: str, key: str, message: str, remedy: str) -> None:
    (found,) = errors(options)
    assert found.key == f"pools.burst.driver_options{key}"
    assert message in found.message
    assert remedy in found.remedy
    assert (faults(found.message), faults(found.remedy)) == ([], [])
    assert found.place.line > 0


def test_gpus_need_a_mapping() -> None:
    (found,) = errors("template: a", "gpu-nvidia")
    assert "name no mapping" in found.message
    assert errors("template: a, gpu_mapping: t4", "gpu-nvidia") == []


def test_options_that_can_be() -> None:
    options = "template: 9002, cores: 4, memory: 16Gi, disk: 200Gi, bridge: vmbr1, vlan: 20, tags: 'a,b', cpu: host, pool: k8s, node: pve1"
    assert errors(options) == []
