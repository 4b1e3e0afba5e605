"""Reads where an API is and who Herder is there: from a kubeconfig, from the service account of the pod it runs in, or as given.

Called once when a cluster is opened. It reads files and starts nothing; a plugin is started when the first token is needed.
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from herder.model.values.phrases import clause, listed
from herder.ports.clock import Clock
from herder.remote.kubernetes.credentials import (
    Access,
    CredentialsMissing,
    GivenToken,
    Plugin,
    TokenFile,
    Tokens,
    bearer,
    read_text,
)

KUBECONFIG_BYTES_MAX = 2**20
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def from_kubeconfig(path: Path, clock: Clock, context: str = "") -> Access:
    """Of its current context, or of the one named. Raises CredentialsMissing."""
    config = _read(path)
    name = context or str(config.get("current-context") or "")
    if not name:
        raise CredentialsMissing(
            f"Kubeconfig {path} has no current context. Name one with context, or: kubectl config use-context."
        )
    chosen = _named(path, config, "contexts", "context", name)
    cluster = _named(path, config, "clusters", "cluster", str(chosen.get("cluster", "")))
    user = _named(path, config, "users", "user", str(chosen["user"])) if chosen.get("user") else {}
    url = str(cluster.get("server", ""))
    if not url.startswith(("https://", "http://")):
        raise CredentialsMissing(
            f"The server of context {name} in kubeconfig {path} is not a URL. Write one that begins with https://."
        )
    tls, insecure = None, cluster.get("insecure-skip-tls-verify") is True
    if url.startswith("https://"):
        tls = _tls(_content(path, cluster, "certificate-authority"), insecure=insecure)
        _add_certificate(tls, path, user)
    return Access(
        url=url,
        tls=tls,
        tokens=_tokens(path, user, clock),
        server_name=str(cluster.get("tls-server-name") or ""),
        proxy=str(cluster.get("proxy-url") or ""),
        unverified=insecure or tls is None,
    )


def in_cluster(
    clock: Clock, environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT
) -> Access:
    """As the service account of this pod. Raises CredentialsMissing."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsMissing(
            "Herder does not run in a cluster: KUBERNETES_SERVICE_HOST is not set. Name a kubeconfig."
        )
    host = f"[{host}]" if ":" in host else host
    ca = read_text(folder / "ca.crt", "certificate authority", KUBECONFIG_BYTES_MAX)
    return Access(url=f"https://{host}:{port}", tls=_tls(ca), tokens=TokenFile(folder / "token", clock))


def given(url: str, token: str | None = None, ca: str | None = None) -> Access:
    """Raises CredentialsMissing."""
    tokens = GivenToken(bearer(token, "the settings") if token is not None else None)
    tls = _tls(ca) if url.startswith("https://") else None
    return Access(url=url, tls=tls, tokens=tokens, unverified=tls is None)


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path, "kubeconfig", KUBECONFIG_BYTES_MAX)
    try:
        config = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        words = clause(getattr(error, "problem", None) or "a syntax error")
        raise CredentialsMissing(f"Kubeconfig {path} is not valid YAML: {words}. Correct the file.") from None
    if not isinstance(config, dict):
        raise CredentialsMissing(f"Kubeconfig {path} is not a mapping. Name the right file.")
    return config


def _named(path: Path, config: dict[str, Any], group: str, key: str, name: str) -> dict[str, Any]:
    entries = [each for each in config.get(group) or () if isinstance(each, dict)]
    for entry in entries:
        if entry.get("name") == name and isinstance(entry.get(key), dict):
            found: dict[str, Any] = entry[key]
            return found
    names = listed([str(entry.get("name")) for entry in entries[:10]])
    raise CredentialsMissing(
        f"Kubeconfig {path} has no {key} {name[:100]!r}. It has: {names or 'none'}. Name one of them."
    )


def _content(path: Path, section: dict[str, Any], key: str) -> str | None:
    """A PEM that is in the kubeconfig itself or in a file that it names."""
    data = section.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise CredentialsMissing(
                f"The {key}-data of kubeconfig {path} is not base64. Correct the file."
            ) from None
    if section.get(key):
        return read_text(path.parent / str(section[key]), key.replace("-", " "), KUBECONFIG_BYTES_MAX)
    return None


def _tls(ca: str | None, *, insecure: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if ca is not None:
            context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError):
        raise CredentialsMissing(
            "The certificate authority of the cluster is not a certificate. Correct its kubeconfig."
        ) from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _add_certificate(tls: ssl.SSLContext, path: Path, user: dict[str, Any]) -> None:
    certificate, key = _content(path, user, "client-certificate"), _content(path, user, "client-key")
    if certificate is None or key is None:
        return
    # The standard library reads certificates from files only.
    with tempfile.TemporaryDirectory(prefix="herder-") as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_text(f"{certificate}\n{key}")
        try:
            tls.load_cert_chain(file)
        except (ssl.SSLError, ValueError):
            raise CredentialsMissing(
                f"The client certificate of kubeconfig {path} cannot be used with its key. Renew it."
            ) from None


def _tokens(path: Path, user: dict[str, Any], clock: Clock) -> Tokens:
    if user.get("tokenFile"):
        return TokenFile(path.parent / str(user["tokenFile"]), clock)
    if user.get("token"):
        return GivenToken(bearer(str(user["token"]), f"kubeconfig {path}"))
    if isinstance(user.get("exec"), dict):
        return _plugin(path, user["exec"], clock)
    if user.get("auth-provider"):
        raise CredentialsMissing(
            f"Kubeconfig {path} uses an auth-provider, which Kubernetes has removed. Use exec or a token."
        )
    return GivenToken()


def _plugin(path: Path, section: dict[str, Any], clock: Clock) -> Plugin:
    command = str(section.get("command") or "")
    if not command:
        raise CredentialsMissing(f"The exec section of kubeconfig {path} has no command. Correct the file.")
    # As kubectl does: a relative path is that of the kubeconfig, a bare name is looked up in PATH.
    if "/" in command and not command.startswith("/"):
        command = str(path.parent / command)
    entries = [each for each in section.get("env") or () if isinstance(each, dict)]
    environment = {str(each.get("name")): str(each.get("value")) for each in entries}
    arguments = [str(each) for each in section.get("args") or ()]
    version = str(section.get("apiVersion") or "client.authentication.k8s.io/v1")
    return Plugin((command, *arguments), environment, version, clock)
