"""The servers of one installation, as a client knows them: which one is asked next after a call failed. Owned by `transport.py`.

A server that hangs accepts connections and answers nothing, so the others are asked who leads; `/health` is answered at once by every server
that runs, and costs nothing. It must never repeat a call itself.
"""

from collections.abc import Sequence

import msgspec

from herder.client.http import clock
from herder.client.http.http_library import httpx

PROBE_S = 1.5
"""How long a server may take to say that it runs."""
ABSENT_S = 10.0
"""A server that did not say so is not asked again for this long, while another one answers."""


class Servers:
    """`urls`: the one that is called first comes first."""

    def __init__(self, urls: Sequence[str], http: httpx.Client, health: str) -> None:
        self.urls = list(urls)
        self._http, self._health = http, health
        self._absent: dict[str, float] = {}

    @property
    def several(self) -> bool:
        return len(self.urls) > 1

    def look_around(self, *, silent: bool) -> bool:
        """After a call that failed: the leader comes first, else a server that answers, else the next one. `silent`: the server accepted the
        call and did not answer in time. Whether it is that same server, which leads and is merely slow."""
        if not self.several:
            return False
        asked, others = self.urls[0], self.urls[1:]
        now_s = clock.monotonic_s()
        found, leads = "", False
        for url in (asked, *others) if silent else (*others, asked):
            if now_s < self._absent.get(url, 0.0) and url != asked:
                continue
            role = self._role(url)
            if role == "leader":
                found, leads = url, True
                break
            if role:
                found = found or url
            else:
                self._absent[url] = now_s + ABSENT_S
        self._ask_next(found or others[0])
        return silent and leads and found == asked

    def _ask_next(self, url: str) -> None:
        place = self.urls.index(url)
        self.urls = [*self.urls[place:], *self.urls[:place]]

    def _role(self, url: str) -> str:
        """`leader`, `follower`, or another word of a server that runs; empty: it does not answer."""
        try:
            response = self._http.get(url + self._health, timeout=PROBE_S)
            said = msgspec.json.decode(response.content, type=dict[str, object])
        except (httpx.TransportError, msgspec.MsgspecError):
            return ""
        return str(said.get("role") or "unknown") if response.status_code < 300 else ""
