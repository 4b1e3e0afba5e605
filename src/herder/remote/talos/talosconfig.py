"""Reads a talosconfig: endpoints, and the certificates of one context. Called once when a bootstrap is opened; it makes no call.

The key is a secret: it never appears in an error, a log or a repr.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from herder.model.fleet.driver import InvalidRequest
from herder.model.values.phrases import clause, listed

BYTES_MAX = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who Herder is for the machines of one cluster."""

    context: str
    ca_pem: str = field(repr=False)
    certificate_pem: str = field(repr=False)
    key_pem: str = field(repr=False)
    endpoints: tuple[str, ...] = ()


def read_talosconfig(path: Path, context: str = "", endpoint: str = "") -> Identity:
    """Of its current context, or of the one named. `endpoint` replaces those of the file. Raises InvalidRequest."""
    config = _parsed(path, read_bytes(path, "Talosconfig"))
    name = context or str(config.get("context") or "")
    contexts = config.get("contexts")
    contexts = contexts if isinstance(contexts, dict) else {}
    chosen = contexts.get(name)
    if not isinstance(chosen, dict):
        names = listed([str(each) for each in list(contexts)[:10]]) or "none"
        raise InvalidRequest(
            f"Talosconfig {path} has no context {name[:100]!r}. It has: {names}. Name one of them."
        )
    endpoints = [endpoint] if endpoint else _endpoints(path, chosen.get("endpoints"))
    return Identity(
        context=name,
        ca_pem=_pem(path, chosen, "ca"),
        certificate_pem=_pem(path, chosen, "crt"),
        # Talos gives its PKCS #8 keys a name that OpenSSL does not know.
        key_pem=_pem(path, chosen, "key").replace("ED25519 PRIVATE KEY", "PRIVATE KEY"),
        endpoints=tuple(host_of(each) for each in endpoints),
    )


def host_of(endpoint: str) -> str:
    """Older documents write the address of the API server (`https://192.168.1.10:6443`). Talos is at the same host, on a port of its own.
    Raises InvalidRequest."""
    text = endpoint.strip()
    try:
        host = (
            str(ip_address(text))
            if _is_address(text)
            else urlsplit(text if "://" in text else f"//{text}").hostname
        )
    except ValueError:
        host = ""
    if not host or not host.isascii() or not host.isprintable() or " " in host:
        raise InvalidRequest(
            f"Talos endpoint {endpoint[:100]!r} is neither a name nor an address of a machine. Write, for example, 192.168.1.10."
        )
    return host


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _endpoints(path: Path, found: object) -> list[str]:
    if not (found is None or (isinstance(found, list) and all(isinstance(each, str) for each in found))):
        raise InvalidRequest(
            f"The endpoints of talosconfig {path} are not a list of addresses. Correct the file."
        )
    return list(found or ())


def default_path(environment: Mapping[str, str]) -> Path:
    """Where talosctl looks."""
    return Path(environment.get("TALOSCONFIG") or "~/.talos/config").expanduser()


def read_bytes(path: Path, what: str) -> bytes:
    """Raises InvalidRequest."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        words = clause(error.strerror or error)
        raise InvalidRequest(f"{what} {path} cannot be read: {words}. Name the right file.") from None
    if len(data) > BYTES_MAX:
        raise InvalidRequest(f"{what} {path} is larger than {BYTES_MAX:,} bytes. Name the right file.")
    return data


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        config = YAML(typ="safe", pure=True).load(data)
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise InvalidRequest(f"Talosconfig {path} is not valid YAML. Correct the file.") from None
    if not isinstance(config, dict):
        raise InvalidRequest(f"Talosconfig {path} is not a mapping. Name the right file.")
    return config


def _pem(path: Path, context: dict[str, Any], key: str) -> str:
    try:
        found = base64.b64decode(str(context.get(key) or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        found = ""
    if "-----BEGIN" not in found:
        raise InvalidRequest(
            f"The field {key} of talosconfig {path} is not a PEM in base64. Create the file again with `talosctl config new`."
        )
    return found
