"""Who the driver is to Azure, found where Azure's own tools look: a file, the environment, the managed identity of the machine, `az login`.

Each source is one call, made here: the library for it brings an HTTP stack of its own, without our bounds. Tokens are kept until shortly before they end.
"""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from herder.model.fleet.driver import DriverClock, Unauthorised, Unavailable
from herder.remote.clouds.errors import short

TIMEOUT_S = 8.0
#: A token that ends sooner is not used any more.
SPARE_S = 300.0
_FILE_BYTES_MAX = 64 * 1024
_ANSWER_BYTES_MAX = 256 * 1024
_NONE = (
    "There are no credentials for Azure: credentials_file and AZURE_CLIENT_ID are not set, the machine has no managed identity, and az is not logged in. "
    "Set credentials_file."
)
#: Errors of OAuth that pass by themselves; and an answer that has none.
_PASSING = ("", "temporarily_unavailable", "server_error", "slow_down")
_NO_NETWORK = re.compile(r"Max retries exceeded|Connection(Error| aborted| refused| reset)|timed out", re.I)
Run = Callable[[list[str]], tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Principal:
    """A service principal: `secret`, or the file with the token that proves it (workload identity)."""

    tenant: str
    client: str
    secret: str = ""
    token_file: str = ""
    source: str = ""


def run(command: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout, stderr."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S * 2, check=False)
    return done.returncode, done.stdout, done.stderr


class AzureCredentials:
    """`transport`, `run`: for tests."""

    def __init__(
        self,
        file: str,
        environ: Mapping[str, str],
        clock: DriverClock,
        *,
        resource: str,
        login_url: str,
        metadata_url: str,
        transport: httpx.BaseTransport | None = None,
        run: Run = run,
    ) -> None:
        self._file, self._environ, self._clock, self._run = file, environ, clock, run
        self._resource, self._login_url, self._metadata_url = resource, login_url, metadata_url
        self._transport = transport
        # The metadata server is reached by no proxy, which would see the token.
        self._direct: dict[str, None] = {f"all://{urlsplit(metadata_url).hostname}": None}
        self._lock = threading.Lock()
        self._token, self._until_ms = "", 0.0
        self._of_file_once = self._of_machine_once = False
        """Whether a token came from there: then what is there no more may come back, and nobody has refused it."""

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.token()}"

    def refused(self) -> bool:
        """The file is read again: a secret may have been replaced."""
        with self._lock:
            self._token = ""
        return True

    def token(self) -> str:
        with self._lock:
            if not self._token or self._clock.now_ms() >= self._until_ms:
                token, left_s = self._fetched()
                self._token = token
                self._until_ms = self._clock.now_ms() + max(0.0, left_s - SPARE_S) * 1000
            return self._token

    # --- sources, in their order

    def _fetched(self) -> tuple[str, float]:
        """And how many seconds it lives."""
        principal = self._principal()
        if principal is not None:
            found = self._of_principal(principal)
            self._of_file_once = bool(self._file)
            return found
        of_machine = self._of_machine()
        if of_machine is not None:
            self._of_machine_once = True
            return of_machine
        if self._of_machine_once:
            raise Unavailable("The managed identity of this machine gives no token now. It is asked again.")
        return self._of_az()

    def _principal(self) -> Principal | None:
        if self._file:
            try:
                return _in_file(Path(self._file))
            except Unauthorised as error:
                if self._of_file_once:
                    raise Unavailable(f"{error} It is read again.") from None
                raise
        tenant, client = (self._environ.get(f"AZURE_{name}", "") for name in ("TENANT_ID", "CLIENT_ID"))
        secret = self._environ.get("AZURE_CLIENT_SECRET", "")
        token_file = self._environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
        if tenant and client and (secret or token_file):
            return Principal(tenant, client, secret, token_file, "the environment")
        return None

    def _of_principal(self, principal: Principal) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_id": principal.client,
            "scope": f"{self._resource}/.default",
        }
        if principal.secret:
            form["client_secret"] = principal.secret
        else:
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form["client_assertion"] = _text(Path(principal.token_file)).strip()
        url = f"{self._login_url}/{principal.tenant}/oauth2/v2.0/token"
        try:
            answer = self._ask("POST", url, data=form)
        except (httpx.HTTPError, OSError) as error:
            raise Unavailable(
                f"Azure gives no token: {short(error) or 'no answer'}. Check the network."
            ) from None
        found = _token_in(answer)
        if found is not None:
            return found
        if answer.status_code >= 500 or answer.status_code == 429 or _error(answer) in _PASSING:
            raise Unavailable(f"Azure gives no token: HTTP status {answer.status_code}. It is asked again.")
        raise Unauthorised(
            f"Azure does not accept the credentials in {principal.source}: {_reason(answer, principal.secret)}. "
            "Check the secret, its end date and the tenant."
        )

    def _of_machine(self) -> tuple[str, float] | None:
        query = {"api-version": "2018-02-01", "resource": self._resource}
        if client := self._environ.get("AZURE_CLIENT_ID"):
            query["client_id"] = client
        url = f"{self._metadata_url}/metadata/identity/oauth2/token"
        try:
            answer = self._ask("GET", url, params=query, headers={"Metadata": "true"}, timeout=2.0)
        except (httpx.HTTPError, OSError):
            return None  # this machine is none of Azure's
        if answer.status_code in (410, 429, 500, 503):
            raise Unavailable("The managed identity of this machine gives no token now. It is asked again.")
        return _token_in(answer)

    def _ask(self, method: str, url: str, **request: Any) -> httpx.Response:
        """Tokens live for an hour: no connection is kept for the next one."""
        with httpx.Client(
            transport=self._transport, mounts=self._direct, timeout=TIMEOUT_S, follow_redirects=False
        ) as client:
            return client.request(method, url, **request)

    def _of_az(self) -> tuple[str, float]:
        """`az` reads, renews and writes its own cache, whose form is its own affair."""
        if shutil.which("az", path=self._environ.get("PATH")) is None:
            raise Unauthorised(_NONE)
        try:
            code, printed, said = self._run(
                ["az", "account", "get-access-token", "--resource", self._resource, "--output", "json"]
            )
        except subprocess.TimeoutExpired:
            raise Unavailable("`az account get-access-token` has not answered. It is asked again.") from None
        except OSError as error:
            raise Unauthorised(f"`az` cannot be run: {error.strerror}. Set credentials_file.") from None
        if code:
            words = short(said.removeprefix("ERROR: ")) or f"status {code}"
            if _NO_NETWORK.search(words):
                raise Unavailable(f"`az` gives no token: {words}. It is asked again.")
            raise Unauthorised(f"`az` gives no token: {words}. Run az login, or set credentials_file.")
        try:
            found = json.loads(printed)
            return str(found["accessToken"]), float(found["expires_on"]) - self._clock.now_ms() / 1000
        except (ValueError, KeyError, TypeError):
            raise Unauthorised(
                "`az account get-access-token` has printed no token with its end (expires_on). Update az, or set credentials_file."
            ) from None


def _in_file(place: Path) -> Principal:
    """Of both forms that az has printed: with `appId`, and with `clientId`."""
    try:
        found = json.loads(_text(place))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        client, secret = (
            found.get("appId") or found.get("clientId"),
            found.get("password") or found.get("clientSecret"),
        )
        tenant = found.get("tenant") or found.get("tenantId")
        if client and secret and tenant:
            return Principal(str(tenant), str(client), str(secret), source=str(place))
    raise Unauthorised(
        f"{place} has no credentials of a service principal: appId, password and tenant. Write what `az ad sp create-for-rbac` prints."
    )


def _text(place: Path) -> str:
    try:
        with place.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise Unauthorised(
            f"The credentials in {place} cannot be read: {error.strerror}. Name a file that this server may read."
        ) from None


def _answer(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(answer.content[:_ANSWER_BYTES_MAX])
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _error(answer: httpx.Response) -> str:
    """Its code; empty: this is no refusal of Azure's, but something that lies between."""
    return str(_answer(answer).get("error") or "")


def _token_in(answer: httpx.Response) -> tuple[str, float] | None:
    found = _answer(answer) if answer.is_success else {}
    try:
        return str(found["access_token"]), float(found["expires_in"])
    except (KeyError, TypeError, ValueError):
        return None


def _reason(answer: httpx.Response, secret: str) -> str:
    """The first line: others are ids of the call, and times."""
    said = str(_answer(answer).get("error_description", "")).splitlines()
    words = short(said[0]) if said else f"HTTP status {answer.status_code}"
    return words.replace(secret, "(secret)") if secret else words
