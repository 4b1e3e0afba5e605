"""The configuration of one worker: merged, valid for Talos, and never a leak."""

import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from herder.bootstraps.talos.labels import may_set
from herder.bootstraps.talos.settings import TalosSettings
from herder.bootstraps.talos.worker_config import Differences, read_base, worker_config
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import Taint, TaintEffect

BASE = """
version: v1alpha1
machine:
  type: worker
  token: abcdef.0123456789abcdef
  ca: {crt: c2VjcmV0, key: ""}
  nodeLabels: {rack: r1}
  kubelet:
    image: ghcr.io/siderolabs/kubelet:v1.36.0
    extraArgs: {v: "2"}
    extraConfig:
      registerWithTaints:
      - {key: base, effect: NoExecute}
      - {key: burst, value: old, effect: NoSchedule}
  install: {disk: /dev/sda, image: old}
cluster:
  id: aWQ=
  secret: c2VjcmV0
  token: fedcba.fedcba9876543210
  controlPlane: {endpoint: "https://10.0.0.10:6443"}
"""
HOSTNAME = "---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\n"
DIFFERENCES = Differences(
    hostname="burst-7-1",
    labels={"node-pool": "burst"},
    taints=(Taint(key="burst", value="true"), Taint(key="gpu", effect=TaintEffect.NO_EXECUTE)),
    kubelet_args={"max-pods": "110"},
    install_image="ghcr.io/siderolabs/installer:v1.13.9",
)


def merged(base: str) -> list[dict]:
    text = worker_config(read_base(base.encode()), DIFFERENCES)
    return list(YAML(typ="safe", pure=True).load_all(text))


def test_differences_are_merged_and_the_rest_stays() -> None:
    (found,) = merged(BASE)
    machine = found["machine"]
    assert machine["network"] == {"hostname": "burst-7-1"}
    assert machine["nodeLabels"] == {"rack": "r1", "node-pool": "burst"}
    assert "nodeTaints" not in machine
    assert machine["kubelet"]["extraArgs"] == {"v": "2", "max-pods": "110"}
    assert machine["kubelet"]["extraConfig"]["registerWithTaints"] == [
        {"key": "base", "effect": "NoExecute"},
        {"key": "burst", "value": "true", "effect": "NoSchedule"},
        {"key": "gpu", "effect": "NoExecute"},
    ]
    assert machine["install"] == {"disk": "/dev/sda", "image": DIFFERENCES.install_image}
    assert machine["token"] == "abcdef.0123456789abcdef"
    assert found["cluster"]["secret"] == "c2VjcmV0"


def test_a_document_of_the_hostname_takes_it_instead() -> None:
    main, hostname = merged(BASE + HOSTNAME)
    assert "network" not in main["machine"]
    assert hostname == {"apiVersion": "v1alpha1", "kind": "HostnameConfig", "hostname": "burst-7-1"}


def test_the_fingerprint_is_of_the_content_and_not_of_its_layout() -> None:
    first = read_base(BASE.encode()).fingerprint
    assert read_base(f"# a comment\n{BASE}".encode()).fingerprint == first
    assert read_base(BASE.replace("r1", "r2").encode()).fingerprint != first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("    extraArgs", "    nodeLabels: {secretlabel: x}\n    extraArgs"), "machine.kubelet.nodeLabels"),
        (("    extraArgs", "    registerWithTaints: []\n    extraArgs"), "registerWithTaints"),
        (("type: worker", "type: controlplane"), "not that of a worker"),
        (("  token: abcdef.0123456789abcdef\n", ""), "machine.token"),
        (("cluster:", "machine: {token: abcdef}\ncluster:"), "has a key twice in line"),
        (("machine:", "engine:"), "exactly one document"),
        (("version: v1alpha1", "version: [abcdef"), "not valid YAML"),
    ],
)
def test_a_wrong_base_is_told_without_its_content(change: tuple[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        read_base(BASE.replace(*change).encode())
    assert words in str(found.value)
    assert "abcdef" not in str(found.value)
    assert "secretlabel" not in str(found.value)
    assert found.value.__cause__ is None


def test_a_base_shows_nothing_of_itself() -> None:
    base = read_base(BASE.encode())
    assert "abcdef" not in repr(base)


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("node-pool", True),
        ("herder.dev/worker", True),
        ("topology.kubernetes.io/zone", True),
        ("node.kubernetes.io/pool", True),
        ("node-role.kubernetes.io/worker", False),
        ("node-restriction.kubernetes.io/x", False),
        ("k8s.io/x", False),
        ("notkubernetes.io/x", True),
    ],
)
def test_labels_that_a_node_may_set(key: str, allowed: bool) -> None:
    assert may_set(key) is allowed


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delivery": "pxe"}, "delivery"),
        ({"hostname": "node"}, "worker"),
        ({"hostname": "{worker}_x"}, "possible name"),
        ({"kubelet_args": "max-pods"}, "name=value"),
        ({"deadline_s": 0}, "from 1 to 60"),
        ({"port": 0}, "65,535"),
        ({"install_image": "a b"}, "image"),
    ],
)
def test_settings_have_bounds(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TalosSettings(base_config="worker.yaml", **settings)


def test_the_result_fits_the_schema_of_talos() -> None:
    """HERDER_TEST_TALOS names a folder with `machine_config_v1.13.schema.json`; jsonschema is not one of our dependencies."""
    folder = os.environ.get("HERDER_TEST_TALOS")
    jsonschema = pytest.importorskip("jsonschema")
    if not folder:
        pytest.skip(
            "HERDER_TEST_TALOS is not set: the configuration was not compared with the schema of Talos"
        )
    schema = json.loads((Path(folder) / "machine_config_v1.13.schema.json").read_text())
    for document in merged(BASE + HOSTNAME):
        kind = "network.HostnameConfigV1Alpha1" if "kind" in document else "v1alpha1.Config"
        jsonschema.validate(document, {"$defs": schema["$defs"], "$ref": f"#/$defs/{kind}"})
