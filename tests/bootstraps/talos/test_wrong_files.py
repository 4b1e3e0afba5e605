"""Files of the operator that are none: nested without an end, endpoints of another form. Each is InvalidRequest, and quotes no secret."""

import json
from pathlib import Path

import pytest

from herder.bootstraps.talos.worker_config import read_base
from herder.model.fleet.driver import InvalidRequest
from herder.remote.talos.talosconfig import host_of, read_talosconfig
from herder.testing.talos.authority import Authority

NESTED = ("[" * 600 + "]" * 600, "{a: " * 600 + "1" + "}" * 600)


@pytest.mark.parametrize("text", NESTED)
def test_nested_without_an_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidRequest, match="The base configuration is not valid YAML"):
        read_base(text.encode())
    file = tmp_path / "talosconfig"
    file.write_text(text)
    with pytest.raises(InvalidRequest, match="is not valid YAML"):
        read_talosconfig(file)


@pytest.mark.parametrize("endpoints", ["10.0.0.10", 5, {"a": 1}, [5], [["10.0.0.10"]]])
def test_endpoints_that_are_no_list_of_texts(tmp_path: Path, endpoints: object) -> None:
    config = json.loads(Authority(1_800_000_000_000).talosconfig(("10.0.0.10",)))
    config["contexts"]["testing"]["endpoints"] = endpoints
    file = tmp_path / "talosconfig"
    file.write_text(json.dumps(config))
    with pytest.raises(InvalidRequest, match="are not a list of addresses"):
        read_talosconfig(file)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.10", "10.0.0.10"),
        (" cp-1.example ", "cp-1.example"),
        ("10.0.0.10:50000", "10.0.0.10"),
        ("https://192.168.1.10:6443", "192.168.1.10"),
        ("fd00::1", "fd00::1"),
        ("[fd00::1]:50000", "fd00::1"),
    ],
)
def test_an_endpoint_is_a_host(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize("text", ["", " ", "http://[fd", "https://", "a b", "a\x00b", "//"])
def test_an_endpoint_that_is_none(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is neither a name nor an address of a machine"):
        host_of(text)
