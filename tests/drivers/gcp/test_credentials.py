"""Credentials are found where Google's own tools look, tokens are made from them, and what is wrong with them is said without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from herder.drivers.gcp.credentials import FILE_VARIABLE, SCOPE, GoogleCredentials
from herder.model.fleet.driver import Unauthorised, Unavailable

EMAIL = "herder@my-project.iam.gserviceaccount.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"


class Google:
    """The token endpoint, and the metadata server when `on_gcp`."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked: list[str] = []
        self.on_gcp = False
        self.answer: tuple[int, Any] | Exception | None = None

    @property
    def private_pem(self) -> str:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    def service_account(self) -> dict[str, str]:
        return {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "1",
            "private_key": self.private_pem,
            "client_email": EMAIL,
            "token_uri": TOKEN_URI,
        }

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            status, body = self.answer
            if isinstance(body, bytes):
                return httpx.Response(status, content=body)
            return httpx.Response(status, json=body)
        if request.url.host == "oauth2.googleapis.com":
            return httpx.Response(200, json={"access_token": self._granted(request), "expires_in": 3600})
        if not self.on_gcp:
            raise httpx.ConnectError("no route to host")
        return self._metadata(request)

    def _granted(self, request: httpx.Request) -> str:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if form["grant_type"] == "refresh_token":
            return f"user-{form['refresh_token']}"
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        claims = jwt.decode(form["assertion"], certs=public, audience=TOKEN_URI)
        assert claims["scope"] == SCOPE
        return f"account-{claims['iss']}"

    def _metadata(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Metadata-Flavor"] == "Google"
        headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        body: Any = {"access_token": "machine-1", "expires_in": 3600, "token_type": "Bearer"}
        if not request.url.path.endswith("/token"):
            body = {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]}
        return httpx.Response(200, json=body, headers=headers)


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def opened(google: Google, tmp_path: Path) -> Iterator[Any]:
    made: list[GoogleCredentials] = []

    def open_with(file: str | None = None, **environ: str) -> GoogleCredentials:
        environ.setdefault("HOME", str(tmp_path))
        made.append(GoogleCredentials(file, environ, httpx.MockTransport(google.handle)))
        return made[-1]

    yield open_with
    for each in made:
        each.close()


def write(path: Path, content: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def signed(credentials: GoogleCredentials) -> str:
    request = httpx.Request("GET", "https://compute.example")
    credentials.sign(request)
    return request.headers["Authorization"]


def test_a_service_account_signs_for_a_token_and_keeps_it(
    google: Google, opened: Any, tmp_path: Path
) -> None:
    credentials = opened(write(tmp_path / "key.json", google.service_account()))
    assert [signed(credentials) for _ in range(3)] == [f"Bearer account-{EMAIL}"] * 3
    assert google.asked == ["oauth2.googleapis.com"]
    assert credentials.refused()
    signed(credentials)
    assert len(google.asked) == 2


def test_places_are_looked_at_in_the_order_of_googles_tools(
    google: Google, opened: Any, tmp_path: Path
) -> None:
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s"}
    of_gcloud = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    write(of_gcloud, user | {"refresh_token": "gcloud"})
    named = write(tmp_path / "named.json", user | {"refresh_token": "named"})
    given = write(tmp_path / "given.json", user | {"refresh_token": "given"})
    other = tmp_path / "other"
    write(other / "application_default_credentials.json", user | {"refresh_token": "other"})
    google.on_gcp = True
    assert signed(opened(given, **{FILE_VARIABLE: named})) == "Bearer user-given"
    assert signed(opened(**{FILE_VARIABLE: named})) == "Bearer user-named"
    assert signed(opened()) == "Bearer user-gcloud"
    assert signed(opened(CLOUDSDK_CONFIG=str(other))) == "Bearer user-other"
    of_gcloud.unlink()
    assert signed(opened()) == "Bearer machine-1"


def test_no_credentials_at_all(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _s: None)  # google-auth waits between its tries
    with pytest.raises(
        Unauthorised, match=r"There are no credentials for Google Cloud: .*Set credentials_file"
    ):
        opened().token()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a file of Google credentials"),
        ("[]", "is not a file of Google credentials"),
        ({"type": "external_account_authorized_user"}, "has credentials of type external_account_authorized_user. Use the key"),
        ({}, "has credentials of type unknown"),
        ({"type": "service_account", "client_email": "a"}, "cannot be used: .*Create a new key"),
        ({"type": "service_account", "client_email": "a", "token_uri": "u", "private_key": "PRIVATE-hush"}, "cannot be used"),
    ],
)  # fmt: skip
def test_files_that_are_no_credentials(opened: Any, tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(Unauthorised, match=words) as caught:
        opened(write(tmp_path / "key.json", content)).token()
    assert "hush" not in str(caught.value)


def test_a_file_that_is_not_there(opened: Any, tmp_path: Path) -> None:
    with pytest.raises(
        Unauthorised, match=r"cannot be read: No such file or directory. Set credentials_file"
    ):
        opened(str(tmp_path / "none.json")).token()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}), Unauthorised, "does not accept the credentials in .*Invalid JWT Signature"),
        (httpx.ConnectError("refused"), Unavailable, "Google gives no token: refused. Check the network"),
        ((503, {"error": "backendError"}), Unavailable, "Google gives no token: .*It is asked again"),
        ((500, {"error": "internal_failure", "error_description": "later"}), Unavailable, "internal_failure: later"),
        ((403, b"<html>Forbidden by the proxy"), Unavailable, "Forbidden by the proxy"),
        ((200, b"<html>"), Unavailable, "has no token"),
        ((200, {}), Unauthorised, "No access token in response"),
    ],
)  # fmt: skip
def test_tokens_that_are_not_given(
    google: Google,
    opened: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    kind: Any,
    words: str,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _s: None)
    google.answer = answer
    with pytest.raises(kind, match=words):
        opened(write(tmp_path / "key.json", google.service_account())).token()


@pytest.mark.parametrize("between", ["", '{"type": "service_acc', None])
def test_a_file_that_is_being_replaced_is_read_again(
    google: Google, opened: Any, tmp_path: Path, between: str | None
) -> None:
    file = tmp_path / "key.json"
    credentials = opened(write(file, google.service_account()))
    signed(credentials)
    assert credentials.refused()
    file.unlink() if between is None else write(file, between)
    with pytest.raises(Unavailable, match="It is read again"):
        credentials.token()
    write(file, google.service_account())
    assert signed(credentials) == f"Bearer account-{EMAIL}"


def test_a_metadata_server_that_was_there_is_not_missed(
    google: Google, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _s: None)
    google.on_gcp = True
    credentials = opened()
    signed(credentials)
    assert credentials.refused()
    google.on_gcp = False
    with pytest.raises(Unavailable, match="gives no token"):
        credentials.token()
    google.on_gcp = True
    assert signed(credentials) == "Bearer machine-1"


def test_nothing_of_google_is_imported_before_the_first_call() -> None:
    import subprocess
    import sys

    code = "import sys, herder.drivers.gcp; print([name for name in sys.modules if name.split('.')[0] in ('google', 'cryptography')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
