"""Who the driver is to Google, found where Google's own tools look: a file that is named, that of gcloud, or the metadata server.

Tokens are made by google-auth, through an HTTP client with bounds. It is imported with the first call, in a thread of the driver.
"""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from herder.model.fleet.driver import DriverError, Unauthorised, Unavailable
from herder.remote.clouds.errors import short

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
TIMEOUT_S = 8.0
_METADATA_HOSTS = ("metadata.google.internal", "169.254.169.254")
_FILE_BYTES_MAX = 256 * 1024


class GoogleCredentials:
    """`transport`: for tests; None: the network."""

    def __init__(
        self, file: str | None, environ: Mapping[str, str], transport: httpx.BaseTransport | None = None
    ) -> None:
        self._file, self._environ = file, environ
        # The metadata server is reached by no proxy, which would see the token.
        direct = {f"all://{host}": None for host in _METADATA_HOSTS}
        self._http = httpx.Client(
            transport=transport, mounts=direct, timeout=TIMEOUT_S, follow_redirects=False
        )
        self._lock = threading.Lock()
        self._known: Any = None
        self._worked = False
        """Whether there was a token: then what is there no more may come back, and nobody has refused it."""

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.token()}"

    def refused(self) -> bool:
        """The file is read again: a key may have been replaced."""
        with self._lock:
            self._known = None
        return True

    def token(self) -> str:
        with self._lock:
            if self._known is None:
                self._known = self._opened_again() if self._worked else self._opened()
            if not self._known.valid:
                self._refresh(self._known)
                self._worked = True
            return str(self._known.token)

    def close(self) -> None:
        self._http.close()

    @property
    def place(self) -> Path | None:
        """The file that is used; None: the metadata server is."""
        if self._file:
            return Path(self._file)
        if named := self._environ.get(FILE_VARIABLE):
            return Path(named)
        home = self._environ.get("CLOUDSDK_CONFIG") or f"{self._environ.get('HOME', '')}/.config/gcloud"
        of_gcloud = Path(home) / "application_default_credentials.json"
        return of_gcloud if of_gcloud.is_file() else None

    def _opened_again(self) -> Any:
        try:
            return self._opened()
        except Unauthorised as error:  # a file that is being written, or replaced
            raise Unavailable(f"{error} It is read again.") from None

    def _opened(self) -> Any:
        try:
            from google.auth import compute_engine, identity_pool
            from google.oauth2 import credentials, service_account
        except ImportError:
            raise Unauthorised(
                "The driver gcp needs the package google-auth. Install herder[gcp] where the server runs."
            ) from None
        place = self.place
        if place is None:
            made: Any = compute_engine.Credentials  # typed by its library without its result
            return made()
        kinds: dict[str, Any] = {
            "service_account": service_account.Credentials.from_service_account_info,
            "authorized_user": credentials.Credentials.from_authorized_user_info,
            "external_account": identity_pool.Credentials.from_info,
        }
        info = _read(place)
        make = kinds.get(str(info.get("type", "")))
        if make is None:
            raise Unauthorised(
                f"{place} has credentials of type {short(info.get('type') or 'unknown')}. Use the key of a service account, the file of "
                "`gcloud auth application-default login`, or a configuration of workload identity federation."
            )
        try:
            return make(info, scopes=[SCOPE])
        except (ValueError, TypeError, KeyError) as error:
            raise Unauthorised(
                f"The credentials in {place} cannot be used: {_without_key(error)}. Create a new key."
            ) from None

    def _refresh(self, known: Any) -> None:
        from google.auth import exceptions

        try:
            known.refresh(self._request)
        except exceptions.TransportError as error:
            raise self._no_answer(error) from None
        except (ValueError, TypeError, KeyError):  # of an answer in another form
            raise Unavailable("The answer of Google has no token. It is asked again.") from None
        except exceptions.GoogleAuthError as error:
            if self.place is None:
                raise self._no_answer(error) from None
            words = short(error.args[0] if error.args else error)
            if error.retryable or words.startswith("<"):  # the page of a proxy is no refusal
                raise Unavailable(f"Google gives no token: {words}. It is asked again.") from None
            raise Unauthorised(
                f"Google does not accept the credentials in {self.place}: {words}. "
                "Check that the account exists, that its key is not deleted, and the clock of this machine."
            ) from None

    def _no_answer(self, error: Exception) -> DriverError:
        if self.place is None and not self._worked:
            return Unauthorised(
                f"There are no credentials for Google Cloud: credentials_file and {FILE_VARIABLE} are not set, gcloud has stored none, and the "
                "metadata server gives none. Set credentials_file."
            )
        return Unavailable(f"Google gives no token: {short(error) or 'no answer'}. Check the network.")

    def _request(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> "_Answer":
        """As google-auth calls it."""
        from google.auth import exceptions

        try:
            patience_s = min(timeout or TIMEOUT_S, TIMEOUT_S)
            found = self._http.request(method, url, content=body, headers=headers, timeout=patience_s)
        except (httpx.HTTPError, OSError) as error:
            failure: Any = exceptions.TransportError
            raise failure(short(error) or type(error).__name__) from error
        return _Answer(found)


class _Answer:
    def __init__(self, answer: httpx.Response) -> None:
        self.status, self.headers, self.data = answer.status_code, answer.headers, answer.content


def _read(place: Path) -> dict[str, Any]:
    try:
        with place.open("rb") as file:
            found = json.loads(file.read(_FILE_BYTES_MAX))
    except OSError as error:
        raise Unauthorised(
            f"The credentials in {place} cannot be read: {error.strerror}. Set credentials_file to a file that this server may read."
        ) from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unauthorised(
            f"{place} is not a file of Google credentials: it has no JSON object. Download the key again."
        )
    return found


def _without_key(error: Exception) -> str:
    """A library may quote what it could not read."""
    words = short(error)
    return "the key is not one" if "PRIVATE" in words or len(words) > 200 else words
