"""Credentials are found where Azure's own tools look, a token is kept while it lives, and what is wrong with them is said without them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from herder.model.fleet.driver import DriverError, Unauthorised, Unavailable
from herder.remote.azure.credentials import AzureCredentials
from tests.drivers.gcp.lab import Clock

RESOURCE = "https://management.azure.com"
RBAC = {"appId": "app", "displayName": "herder", "password": "hush", "tenant": "ours"}
REFUSED = {
    "error": "invalid_client",
    "error_description": "AADSTS7000215: Invalid client secret provided: hush.\r\nTrace ID: 1",
}


class Place:
    """A machine: its environment, what answers at the addresses, and what `az` says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.asked: list[str] = []
        self.identity: httpx.Response | None = None
        self.answer: httpx.Response | Exception | None = None
        self.az: tuple[int, str, str] | Exception | None = None
        self.ran: list[list[str]] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "169.254.169.254":
            assert request.headers["Metadata"] == "true"
            assert request.url.params["resource"] == RESOURCE
            self.asked.append(f"identity {request.url.params.get('client_id', '')}".strip())
            if self.identity is None:
                raise httpx.ConnectTimeout("no route to host")
            return self.identity
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert form["scope"] == f"{RESOURCE}/.default"
        proof = form.get("client_secret") or f"token {form['client_assertion']}"
        self.asked.append(f"{request.url.path.split('/')[1]} {form['client_id']} {proof}")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or httpx.Response(200, json={"access_token": "made", "expires_in": 3599})

    def run(self, command: list[str]) -> tuple[int, str, str]:
        self.ran.append(command)
        if isinstance(self.az, Exception):
            raise self.az
        assert self.az is not None
        return self.az

    def opened(self, file: str = "", **environ: str) -> AzureCredentials:
        environ.setdefault("PATH", str(self.folder))
        return AzureCredentials(
            file, environ, self.clock, resource=RESOURCE, login_url="https://login.microsoftonline.com",
            metadata_url="http://169.254.169.254", transport=httpx.MockTransport(self.handle), run=self.run,
        )  # fmt: skip

    def write(self, content: object) -> str:
        path = self.folder / "herder-azure.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def with_az(self, *answer: Any) -> None:
        program = self.folder / "az"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        self.az = answer  # type: ignore[assignment]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def signed(credentials: AzureCredentials) -> str:
    request = httpx.Request("GET", RESOURCE)
    credentials.sign(request)
    return request.headers["Authorization"]


def test_a_service_principal_gets_a_token_and_keeps_it(place: Place) -> None:
    credentials = place.opened(place.write(RBAC))
    assert [signed(credentials) for _ in range(3)] == ["Bearer made"] * 3
    assert place.asked == ["ours app hush"]
    place.clock.ms += 3_400_000
    signed(credentials)
    assert len(place.asked) == 2, "a token that ends soon is not used"
    assert credentials.refused()
    signed(credentials)
    assert len(place.asked) == 3


def test_places_are_looked_at_in_their_order(place: Place, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    proof.write_text("eyJ\n")
    place.identity = httpx.Response(200, json={"access_token": "of the machine", "expires_in": "86399"})
    end = place.clock.ms // 1000 + 3_600
    place.with_az(0, json.dumps({"accessToken": "of az", "expires_on": end}), "")
    who = {"AZURE_TENANT_ID": "theirs", "AZURE_CLIENT_ID": "env"}
    older = {"clientId": "app", "clientSecret": "hush", "tenantId": "ours"}
    for file in (RBAC, older):
        signed(place.opened(place.write(file), **who, AZURE_CLIENT_SECRET="s"))
    signed(place.opened(**who, AZURE_CLIENT_SECRET="s"))
    signed(place.opened(**who, AZURE_FEDERATED_TOKEN_FILE=str(proof)))
    assert place.asked == ["ours app hush", "ours app hush", "theirs env s", "theirs env token eyJ"]
    assert signed(place.opened(AZURE_CLIENT_ID="user-assigned")) == "Bearer of the machine"
    assert place.asked[-1] == "identity user-assigned"
    assert place.ran == []
    for none in (None, httpx.Response(400, json={"error": "invalid_request"})):
        place.identity = none
        assert signed(place.opened()) == "Bearer of az"
    assert place.ran[0] == ["az", "account", "get-access-token", "--resource", RESOURCE, "--output", "json"]


#: What is wrong, which error it is, and what a person reads.
WRONG: dict[str, tuple[Any, type[DriverError], str]] = {
    "no credentials": (lambda place: place.opened(), Unauthorised, "no managed identity, and az is not logged in. Set credentials_file"),
    "no file": (lambda place: place.opened(str(place.folder / "none")), Unauthorised, "none cannot be read: No such file or directory"),
    "no JSON": (lambda place: place.opened(place.write("{")), Unauthorised, "has no credentials of a service principal"),
    "another JSON": (lambda place: place.opened(place.write({"appId": "a"})), Unauthorised, "Write what `az ad sp create-for-rbac` prints"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_found(place: Place, what: str) -> None:
    make, kind, words = WRONG[what]
    with pytest.raises(kind, match=words):
        make(place).token()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(401, json=REFUSED), Unauthorised, r"does not accept the credentials in .*herder-azure.json: AADSTS7000215: Invalid client secret provided: \(secret\). Check the secret"),
        (httpx.Response(200, content=b"<html>"), Unavailable, "HTTP status 200"),
        (httpx.Response(403, content=b"<html>"), Unavailable, "HTTP status 403"),
        (httpx.Response(400, json={"error": "temporarily_unavailable"}), Unavailable, "HTTP status 400. It is asked again"),
        (httpx.Response(503), Unavailable, "HTTP status 503. It is asked again"),
        (httpx.ConnectError("refused"), Unavailable, "Azure gives no token: refused. Check the network"),
    ],
)  # fmt: skip
def test_tokens_that_are_not_given(place: Place, answer: Any, kind: Any, words: str) -> None:
    place.answer = answer
    with pytest.raises(kind, match=words) as caught:
        place.opened(place.write(RBAC)).token()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((1, "", "ERROR: Please run 'az login' to setup account.\n"), Unauthorised, "`az` gives no token: Please run 'az login'"),
        ((1, "", "ERROR: HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /x"), Unavailable, "It is asked again"),
        ((0, "{}", ""), Unauthorised, "has printed no token with its end"),
        (subprocess.TimeoutExpired("az", 1), Unavailable, "has not answered"),
        (PermissionError(13, "Permission denied"), Unauthorised, "`az` cannot be run: Permission denied"),
    ],
)  # fmt: skip
def test_an_az_that_gives_none(place: Place, answer: Any, kind: Any, words: str) -> None:
    place.with_az()
    place.az = answer
    with pytest.raises(kind, match=words):
        place.opened().token()


def test_an_identity_that_is_busy_is_asked_again(place: Place) -> None:
    place.identity = httpx.Response(429)
    with pytest.raises(Unavailable, match="managed identity of this machine gives no token now"):
        place.opened().token()


#: What the file of credentials holds while somebody replaces it.
BETWEEN: dict[str, str | None] = {"empty": "", "half of it": '{"appId": "ap', "no file": None}


@pytest.mark.parametrize("content", BETWEEN)
def test_a_file_that_is_being_replaced_is_read_again(place: Place, content: str) -> None:
    file = place.write(RBAC)
    credentials = place.opened(file)
    signed(credentials)
    place.clock.ms += 3_600_000
    between = BETWEEN[content]
    Path(file).unlink() if between is None else place.write(between)
    with pytest.raises(Unavailable, match="It is read again"):
        credentials.token()
    place.write({**RBAC, "password": "new"})
    assert signed(credentials) == "Bearer made"
    assert place.asked[-1] == "ours app new"


def test_an_identity_that_was_there_is_not_missed(place: Place) -> None:
    """Nor is anybody else asked, who may have other rights."""
    place.with_az(0, json.dumps({"accessToken": "of az", "expires_on": place.clock.ms // 1000 + 9_000}), "")
    place.identity = httpx.Response(200, json={"access_token": "of the machine", "expires_in": 3_600})
    credentials = place.opened()
    signed(credentials)
    place.clock.ms += 3_600_000
    for answer in (None, httpx.Response(404), httpx.Response(502)):
        place.identity = answer
        with pytest.raises(Unavailable, match="managed identity of this machine gives no token now"):
            credentials.token()
    assert place.ran == []


def test_the_token_of_a_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"access_token": "of the machine", "expires_in": 3600}')

        def log_message(self, *_: object) -> None:
            pass

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with HTTPServer(("127.0.0.1", 0), Metadata) as server:
        server.timeout = 5
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        credentials = AzureCredentials(
            "", {"PATH": ""}, Clock(), resource=RESOURCE, login_url=RESOURCE, metadata_url=url
        )
        assert credentials.token() == "of the machine"
        thread.join(10)


def test_the_driver_is_light_to_import() -> None:
    """It has no library of its own."""
    code = "import sys, herder.drivers.azure; print([name for name in sys.modules if name.split('.')[0] in ('azure', 'msal', 'cryptography')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
