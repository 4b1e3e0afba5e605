"""Our messages are those of Talos, and the generated files are those of our `.proto` files."""

import gzip
import hashlib
import json
import os
import tomllib
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from herder.remote.talos import messages
from herder.remote.talos.messages import machine_pb2, resource_pb2
from herder.remote.talos.methods import METHODS

FOLDER = Path(messages.__file__).parent


def test_generated_files_are_not_edited() -> None:
    pinned = tomllib.loads((FOLDER / "generated.toml").read_text())["sha256"]
    files = [each for each in FOLDER.iterdir() if each.suffix in (".proto", ".pyi") or "_pb2" in each.name]
    assert {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files} == pinned


def test_every_call_is_of_a_message_that_we_have() -> None:
    assert len({each.path for each in METHODS}) == len(METHODS) == 9


def _files(data: bytes) -> list[dict]:
    return json.loads(data)["file"]


def _get(entry: dict, one: str, other: str) -> object:
    return entry.get(one, entry.get(other))


def _messages(prefix: str, entries: list[dict]) -> dict[str, dict]:
    found = {}
    for each in entries:
        found[f"{prefix}{each['name']}"] = each
        nested = _get(each, "nestedType", "nested_type") or []
        found |= _messages(f"{prefix}{each['name']}.", nested)
    return found


@pytest.fixture
def theirs() -> tuple[dict[str, dict], dict[str, tuple[str, str]]]:
    """Messages by name (those of COSI after `resource.`), and methods by path."""
    folder = os.environ.get("HERDER_TEST_TALOS")
    if not folder:
        pytest.skip(
            "HERDER_TEST_TALOS is not set: the messages were not compared with the descriptors of Talos"
        )
    files = _files(
        gzip.decompress((Path(folder) / "machine_api_v1.13.9.descriptor_set.json.gz").read_bytes())
    )
    cosi = _files((Path(folder) / "cosi_v1alpha1.descriptor_set.json").read_bytes())
    found: dict[str, dict] = {}
    methods = {}
    for file in [*files, *cosi]:
        prefix = "resource." if file in cosi else "machine."
        if file.get("package") in ("machine", "common", "cosi.resource"):
            found |= _messages(prefix, _get(file, "messageType", "message_type") or [])
        for service in file.get("service", []):
            for method in service["method"]:
                types = (_get(method, "inputType", "input_type"), _get(method, "outputType", "output_type"))
                methods[f"/{file['package']}.{service['name']}/{method['name']}"] = types
    return found, methods


def _ours(prefix: str, entries: list[Descriptor]) -> dict[str, Descriptor]:
    found = {}
    for each in entries:
        found[f"{prefix}{each.name}"] = each
        found |= _ours(f"{prefix}{each.name}.", list(each.nested_types))
    return found


def test_messages_fit_those_of_talos(theirs) -> None:
    known, _ = theirs
    ours = _ours("machine.", list(machine_pb2.DESCRIPTOR.message_types_by_name.values()))
    ours |= _ours("resource.", list(resource_pb2.DESCRIPTOR.message_types_by_name.values()))
    compared = 0
    for name, message in ours.items():
        fields = {each["name"]: each for each in known[name]["field"]}
        for field in message.fields:
            other = fields[field.name]
            kind = str(other["type"]).removeprefix("TYPE_")
            repeated = str(other.get("label", "")).endswith("REPEATED")
            assert field.number == other["number"], f"{name}.{field.name}"
            assert field.type == getattr(FieldDescriptor, f"TYPE_{kind}"), f"{name}.{field.name}"
            assert field.is_repeated == repeated, f"{name}.{field.name}"
            compared += 1
        for enum in message.enum_types:
            entries = _get(known[name], "enumType", "enum_type")
            values = next(each["value"] for each in entries if each["name"] == enum.name)
            numbers = {each["name"]: each.get("number", 0) for each in values}
            assert {each.name: each.number for each in enum.values} == numbers
    assert compared > 40


def test_methods_are_those_of_talos(theirs) -> None:
    _, methods = theirs
    for method in METHODS:
        wanted = methods[method.path]
        names = (method.request.DESCRIPTOR.name, method.reply.DESCRIPTOR.name)
        assert tuple(each.rpartition(".")[2] for each in wanted) == names
