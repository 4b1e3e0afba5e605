"""One file of a web server, in the form of obstore's answers. Blocks.

Not with obstore, which follows a redirect to whatever address it names; here each is asked about before it is fetched.
"""

import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

from herder.remote.object_stores.opening import DataFault, DataLater, DataMissing, plain

if TYPE_CHECKING:
    import httpx

REDIRECTS_MAX = 10
_CONNECT_S, _STALLED_S = 5.0, 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
#: Of HTTP: it may work later.
_LATER = (408, 425, 429)


class WebAnswer:
    """`meta`: size in bytes of the whole file, tag and date. Raises DataFault and DataLater while it is read."""

    def __init__(self, client: "httpx.Client", answer: "httpx.Response", shown: str, size: int) -> None:
        self._client, self._answer, self._shown = client, answer, shown
        self.meta: dict[str, Any] = {
            "size": size,
            "e_tag": answer.headers.get("etag"),
            "last_modified": answer.headers.get("last-modified"),
        }

    def stream(self, *, min_chunk_size: int) -> Iterator[bytes]:
        """As it comes; `min_chunk_size` is obstore's."""
        import httpx

        try:
            yield from self._answer.iter_raw()
        except httpx.HTTPError as error:
            raise DataLater(f"{plain(self._shown)} cannot be used. {_reason(error)}") from None
        finally:
            self.close()

    def close(self) -> None:
        self._answer.close()
        self._client.close()


def fetch(url: str, offset: int, allow: Callable[[str], None]) -> WebAnswer:
    """From `offset` on. `allow` raises for an address that must not be fetched. Raises DataFault, DataLater."""
    import httpx  # only jobs with such inputs need it

    timeout = httpx.Timeout(_STALLED_S, connect=_CONNECT_S)
    client = httpx.Client(timeout=timeout, verify=ssl.create_default_context(), follow_redirects=False)
    try:
        answer = _followed(client, url, offset, allow)
        return WebAnswer(client, answer, url, _size(answer, url, offset))
    except httpx.HTTPError as error:
        client.close()
        raise DataLater(f"{plain(url)} cannot be used. {_reason(error)}") from None
    except httpx.InvalidURL:
        client.close()
        raise DataFault(
            f"{plain(url)} cannot be used. It redirects to an address that is not of the web."
        ) from None
    except BaseException:
        client.close()
        raise


def _followed(
    client: "httpx.Client", url: str, offset: int, allow: Callable[[str], None]
) -> "httpx.Response":
    headers = {"accept-encoding": "identity"}
    if offset:
        headers["range"] = f"bytes={offset}-"
    at = url
    for _ in range(REDIRECTS_MAX):
        allow(at)
        answer = client.send(client.build_request("GET", at, headers=headers), stream=True)
        if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
            return answer
        answer.close()
        at = urljoin(at, answer.headers["location"])
        if urlsplit(at).scheme not in ("http", "https"):
            raise DataFault(
                f"{plain(url)} cannot be used. It redirects to an address that is not of the web."
            )
    raise DataFault(f"{plain(url)} cannot be used. It redirects more than {REDIRECTS_MAX} times.")


def _size(answer: "httpx.Response", url: str, offset: int) -> int:
    """Of the whole file."""
    if answer.status_code >= 300:
        _refuse(answer, url)
    if offset:
        start, _, size = answer.headers.get("content-range", "").partition("/")
        if answer.status_code == 206 and start.startswith(f"bytes {offset}-") and size.isdecimal():
            return int(size)
        raise DataLater(f"{plain(url)} was not sent from byte {offset:,} on.")
    length = answer.headers.get("content-length", "")
    if answer.status_code != 200 or not length.isdecimal():
        raise DataFault(f"{plain(url)} cannot be used. The server does not say how long it is.")
    return int(length)


def _refuse(answer: "httpx.Response", url: str) -> NoReturn:
    status = answer.status_code
    words = f"The store answered HTTP {status} {answer.reason_phrase}".strip()
    if status in (404, 410):
        raise DataMissing(f"{plain(url)} does not exist. {words}.")
    if status < 500 and status not in _LATER:
        raise DataFault(f"{plain(url)} cannot be used. {words}.")
    raise DataLater(f"{plain(url)} cannot be used. {words}.")


def _reason(error: Exception) -> str:
    return f"The connection failed: {type(error).__name__}."
