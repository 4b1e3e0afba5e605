"""Who Herder is to an API: kubeconfigs, token files that change, plugins, the service account; and what is said when they cannot be used."""

import base64
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.model.fleet.cluster import ClusterSettings
from herder.ports.cluster import ClusterError, ClusterUnavailable
from herder.remote.kubernetes import credentials
from herder.remote.kubernetes.access import access_of
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import CredentialsMissing, Plugin, TokenFile, bearer
from herder.remote.kubernetes.kubeconfig import from_kubeconfig, given, in_cluster
from herder.remote.kubernetes.sync_connection import SyncConnection
from tests.words.rules import faults


class Clock:
    def __init__(self) -> None:
        self.at_ms = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms

    monotonic_ms = now_ms


CLOCK = Clock()


def kubeconfig(tmp_path: Path, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": user or {}}, {"name": "other", "user": {"token": "of-other"}}],
        "contexts": [
            {"name": "first", "context": {"cluster": "c", "user": "u"}},
            {"name": "second", "context": {"cluster": "c", "user": "other"}},
        ],
        "current-context": "first",
    }
    path = tmp_path / "config"
    with path.open("w") as file:
        YAML(typ="safe").dump(config, file)
    return path


async def token_of(tmp_path: Path, user: dict[str, Any], context: str = "") -> str | None:
    return await from_kubeconfig(kubeconfig(tmp_path, user), CLOCK, context).tokens.token()


async def test_a_token_of_the_kubeconfig_and_another_context(tmp_path: Path) -> None:
    assert await token_of(tmp_path, {"token": "t-1"}) == "t-1"
    assert await token_of(tmp_path, {"token": "t-1"}, "second") == "of-other"
    assert await token_of(tmp_path, {}) is None


async def test_a_token_file_is_read_again_when_it_is_old_and_when_it_was_refused(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "token"
    path.write_text("first\n")
    tokens = TokenFile(path, clock)
    assert await tokens.token() == "first"
    path.write_text("second\n")
    assert await tokens.token() == "first"
    clock.at_ms += credentials.FILE_AGE_MS
    assert await tokens.token() == "second"
    assert not tokens.refused(), "it is the same as the one that was refused"
    assert await tokens.token() == "second"
    path.write_text("third\n")
    assert tokens.refused()
    assert await tokens.token() == "third"
    path.unlink()
    assert not tokens.refused()
    with pytest.raises(CredentialsMissing, match="cannot be read: No such file"):
        await tokens.token()


def plugin(tmp_path: Path, script: str, **more: Any) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", **more}}


COUNTS = """
import json, os, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert info["spec"]["interactive"] is False
status = {"token": f"{os.environ['WHO']}-{number}", "expirationTimestamp": "1970-01-01T00:20:00Z"}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


async def test_a_plugin_is_asked_once_and_again_before_its_answer_ends(tmp_path: Path) -> None:
    user = plugin(tmp_path, COUNTS, args=[str(tmp_path / "count")], env=[{"name": "WHO", "value": "ann"}])
    clock = Clock()
    tokens = from_kubeconfig(kubeconfig(tmp_path, user), clock).tokens
    assert [await tokens.token() for _ in range(2)] == ["ann-1", "ann-1"]
    clock.at_ms = 1_200_000 - credentials.PLUGIN_MARGIN_MS
    assert await tokens.token() == "ann-2"
    assert tokens.refused()
    assert await tokens.token() == "ann-3"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit(3)", "failed with exit code 3. Run it by hand"),
        ("print('hello')", "is not an ExecCredential"),
        ('print(\'{"status": {"clientCertificateData": "x"}}\')', "answers with a client certificate"),
        ("print('{}')", "answers with no token"),
        ("print('x' * 200_000)", "longer than 65,536 bytes"),
        ('print(\'{"status": {"token": "a b"}}\')', "characters that no token has"),
    ],
)
async def test_what_is_wrong_with_a_plugin_is_said(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(CredentialsMissing, match=words) as caught:
        await token_of(tmp_path, plugin(tmp_path, script))
    assert faults(str(caught.value)) == []


async def test_a_plugin_that_hangs_or_is_not_there_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PLUGIN_TIMEOUT_S", 0.2)
    with pytest.raises(ClusterUnavailable, match=r"did not end within 0\.2 s"):
        await token_of(tmp_path, plugin(tmp_path, "import time; time.sleep(60)"))
    missing = Plugin(("no-such-plugin",), {}, "v1", CLOCK)
    with pytest.raises(CredentialsMissing, match="cannot be started: No such file"):
        await missing.token()


async def test_the_service_account_of_a_pod(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(_CA)
    (tmp_path / "token").write_text("of-the-pod")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = in_cluster(CLOCK, environment, tmp_path)
    assert access.url == "https://[fd00::1]:6443"
    assert access.tls is not None
    assert await access.tokens.token() == "of-the-pod"
    with pytest.raises(CredentialsMissing, match="does not run in a cluster"):
        in_cluster(CLOCK, {}, tmp_path)


def test_authority_and_verification_are_as_the_kubeconfig_says(tmp_path: Path) -> None:
    data = base64.b64encode(_CA.encode()).decode()
    here = {"server": "https://127.0.0.1:1", "tls-server-name": "api"}
    strict = from_kubeconfig(kubeconfig(tmp_path, **here, **{"certificate-authority-data": data}), CLOCK)
    assert strict.tls is not None
    assert strict.tls.check_hostname
    assert [each["serialNumber"] for each in strict.tls.get_ca_certs()] == ["01"]
    assert strict.server_name == "api"
    (tmp_path / "ca.pem").write_text(_CA)
    from_file = from_kubeconfig(kubeconfig(tmp_path, **here, **{"certificate-authority": "ca.pem"}), CLOCK)
    assert from_file.tls is not None
    assert len(from_file.tls.get_ca_certs()) == 1
    loose = from_kubeconfig(kubeconfig(tmp_path, **here, **{"insecure-skip-tls-verify": True}), CLOCK)
    assert loose.tls is not None
    assert not loose.tls.check_hostname


HTTPS = {"server": "https://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"token": ""}, {"server": "api.example.com"}, "is not a URL"),
        (
            {"tokenFile": "missing"},
            {"certificate-authority": "missing", **HTTPS},
            "authority .*missing cannot be read",
        ),
        ({}, {"certificate-authority-data": "!!", **HTTPS}, "is not base64"),
        ({}, {"certificate-authority-data": "aGVsbG8=", **HTTPS}, "is not a certificate"),
        (
            {"client-certificate-data": "aGVsbG8=", "client-key-data": "aGVsbG8="},
            HTTPS,
            "cannot be used with its key",
        ),
        ({"auth-provider": {"name": "gcp"}}, {}, "uses an auth-provider"),
        ({"exec": {"args": ["x"]}}, {}, "has no command"),
        ({"token": "a\nb"}, {}, "characters that no token has"),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(CredentialsMissing, match=words) as caught:
        from_kubeconfig(kubeconfig(tmp_path, user, **cluster), CLOCK)
    assert faults(str(caught.value)) == []


@pytest.mark.parametrize(
    ("text", "context", "words"),
    [
        ("a: [", "", "is not valid YAML"),
        ("- a", "", "is not a mapping"),
        ("a: b", "", "has no current context"),
        ("current-context: x", "", "has no context 'x'. It has: none"),
        ("contexts: [{name: a, context: {}}, {name: b}]", "c", "has no context 'c'. It has: a and b"),
        ("contexts: [{name: a, context: {cluster: q}}]", "a", "has no cluster 'q'"),
        ("x" * 2**21, "", "is longer than 1,048,576 bytes"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, context: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(CredentialsMissing, match=words) as caught:
        from_kubeconfig(path, CLOCK, context)
    assert faults(str(caught.value)) == []


async def test_settings_choose_kubeconfig_address_or_service_account(tmp_path: Path) -> None:
    by_file = ClusterSettings(
        name="prod", kubeconfig=str(kubeconfig(tmp_path, {"token": "t"})), context="second"
    )
    assert await access_of(by_file, CLOCK, {}).tokens.token() == "of-other"
    by_address = ClusterSettings(name="prod", api="https://api:6443", token_env="KUBE_TOKEN")
    assert await access_of(by_address, CLOCK, {"KUBE_TOKEN": "secret"}).tokens.token() == "secret"
    with pytest.raises(
        CredentialsMissing, match="environment variable KUBE_TOKEN of cluster prod is not set"
    ):
        access_of(by_address, CLOCK, {})
    (tmp_path / "token").write_text("in-file")
    by_token_file = ClusterSettings(name="prod", api="http://api", token_file=str(tmp_path / "token"))
    assert await access_of(by_token_file, CLOCK, {}).tokens.token() == "in-file"
    with pytest.raises(ClusterError, match="does not run in a cluster"):
        access_of(ClusterSettings(name="prod"), CLOCK, {})


@pytest.mark.parametrize("url", ["https://api:port", "https://[::1", "https://api:99999999"])
def test_an_address_or_a_proxy_that_cannot_be_used_is_said(url: str) -> None:
    for access in (given(url), replace(given("https://api"), proxy=url.replace("https", "gopher"))):
        with pytest.raises(CredentialsMissing, match="of cluster prod cannot be used") as caught:
            Connection("prod", access)
        assert faults(str(caught.value)) == []
        with pytest.raises(CredentialsMissing, match="of cluster prod cannot be used"):
            SyncConnection("prod", access, CLOCK)


def test_who_is_believed_without_a_certificate(tmp_path: Path) -> None:
    assert given("http://api").unverified
    assert not given("https://api").unverified
    loose = kubeconfig(tmp_path, server="https://api", **{"insecure-skip-tls-verify": True})
    assert from_kubeconfig(loose, CLOCK).unverified
    assert not from_kubeconfig(kubeconfig(tmp_path, server="https://api"), CLOCK).unverified


def test_secrets_are_in_no_text() -> None:
    access = given("https://api:6443", "very-secret", None)
    assert "very-secret" not in repr(access)
    with pytest.raises(CredentialsMissing) as caught:
        bearer("very secret", "the settings")
    assert "secret" not in str(caught.value).replace("the settings", "")


_CA = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARygAwIBAgIBATAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA50ZXN0IGF1
dGhvcml0eTAgFw0yNjExMjcwNjEwMzRaGA8yMTI2MTEwMzA2MTAzNFowGTEXMBUG
A1UEAwwOdGVzdCBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATN
luq81EtOk6wQCzomcOHKvDFOfSS9YXq1BVxGhestKm9C1tWNcXK2FTGwZkflrnVT
ep+eUxXJoA+VeCBS14nfo1MwUTAdBgNVHQ4EFgQUmi81+sFhIv9Dl4K3Nm/+Bkh9
ipEwHwYDVR0jBBgwFoAUmi81+sFhIv9Dl4K3Nm/+Bkh9ipEwDwYDVR0TAQH/BAUw
AwEB/zAKBggqhkjOPQQDAgNIADBFAiBcnkpoGUm5xJBBEWaFHWMj3j9+VhBf9bSo
Ts7ur5INxAIhALEo4Z9oz/GlN+eGGARaMoZN85thkUtBuIs1NqjtorXY
-----END CERTIFICATE-----
"""
