"""Access tokens of Red Hat's single sign-on: for a service account (client id and secret), or of an offline token. Used from any thread.

A token is renewed a minute before its end, as Red Hat's own library does. Neither secrets nor tokens are ever in an error's text.
"""

import threading
import time

import httpx

from herder.model.fleet.driver import DriverClock, Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pace import Pause
from herder.remote.ocm.errors import SSO, explain_sso

SSO_URL = "https://sso.redhat.com/auth/realms/redhat-external/protocol/openid-connect"
#: The client that offline tokens are made for.
OFFLINE_CLIENT = "cloud-services"
RENEW_BEFORE_MS = 60_000


class RedHatLogin:
    """Either `client_id` and `client_secret`, or `offline_token`. Raises ValueError for neither or both."""

    def __init__(
        self,
        clock: DriverClock,
        *,
        client_id: str = "",
        client_secret: str = "",
        offline_token: str = "",
        url: str = SSO_URL,
        transport: httpx.BaseTransport | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        if bool(offline_token) == bool(client_id or client_secret) or bool(client_id) != bool(client_secret):
            raise ValueError("set either client_id and client_secret, or offline_token")
        self._clock, self._client_id = clock, client_id or OFFLINE_CLIENT
        self._secret, self._refresh_token = client_secret, offline_token
        self._client = CloudClient(SSO, url, None, explain_sso, clock, transport=transport, pause=pause)
        self._lock = threading.Lock()
        self._token, self._until_ms = "", 0.0

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.token()}"

    def refused(self) -> bool:
        """It may have been withdrawn before its end."""
        with self._lock:
            self._token = ""
        return True

    def token(self) -> str:
        """Raises Unauthorised, RateLimited or Unavailable."""
        with self._lock:
            if not self._token or self._clock.monotonic_ms() >= self._until_ms - RENEW_BEFORE_MS:
                self._renew()
            return self._token

    def close(self) -> None:
        self._client.close()

    def _renew(self) -> None:
        form = {"client_id": self._client_id}
        if self._refresh_token:
            form |= {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        else:
            form |= {"grant_type": "client_credentials", "client_secret": self._secret}
        began_ms = self._clock.monotonic_ms()
        found = self._client.call(
            "POST",
            "/token",
            "logging in",
            form=form,
            repeatable=True,
            secrets=(self._secret, self._refresh_token),
        ).data
        if not isinstance(found, dict):
            found = {}
        token, lasts_s = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lasts_s, int | float):
            raise Unavailable(f"The answer of {SSO} to logging in has no token. Check the address sso_url.")
        self._token, self._until_ms = token, began_ms + lasts_s * 1000
        # It may be exchanged for a new one at each use.
        if self._refresh_token and isinstance(newer := found.get("refresh_token"), str) and newer:
            self._refresh_token = newer
