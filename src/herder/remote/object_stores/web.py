"""One file of a web server, in the form of obstore's answers. Blocks.

Not with obstore, which follows a redirect to whatever address it names; here each is asked about before it is fetched. With the standard
library, which hands on what the kernel has received without copying it again; so it costs less processor than obstore.
"""

import http.client
import ssl
import string
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from herder.remote.object_stores.opening import DataFault, DataLater, DataMissing, plain

REDIRECTS_MAX = 10
_CONNECT_S, _STALLED_S = 5.0, 30.0
#: As RFC 9110 has it for a date that tells two contents apart.
_SETTLED = timedelta(seconds=60)
_REDIRECTS = (301, 302, 303, 307, 308)
#: Of HTTP: it may work later.
_LATER = (408, 425, 429)
#: At most so much of what has arrived is taken at a time.
_PIECE = 2**20


class _Plain(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_STALLED_S)


class _Secure(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_STALLED_S)


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, req)


class _SecureHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Secure, req, context=ssl.create_default_context())


class WebAnswer:
    """`meta`: size in bytes of the whole file, tag and date. Raises DataFault and DataLater while it is read."""

    def __init__(self, answer: http.client.HTTPResponse, shown: str, size: int) -> None:
        self._answer, self._shown = answer, shown
        self.meta: dict[str, Any] = {
            "size": size,
            "e_tag": answer.headers.get("etag"),
            "last_modified": answer.headers.get("last-modified"),
        }

    @property
    def settled(self) -> str:
        """Its date, when that was long ago by the clock of its server: content that changes within a second keeps it. Else empty."""
        modified = self.meta["last_modified"] or ""
        try:
            age = parsedate_to_datetime(self._answer.headers.get("date", "")) - parsedate_to_datetime(
                modified
            )
        except (ValueError, TypeError):
            return ""
        return modified if age >= _SETTLED else ""

    def stream(self, *, min_chunk_size: int) -> Iterator[bytes]:
        """As it comes; `min_chunk_size` is obstore's."""
        try:
            while piece := self._answer.read1(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise DataLater(f"{plain(self._shown)} cannot be used. {_reason(error)}") from None
        finally:
            self.close()

    def close(self) -> None:
        self._answer.close()


def fetch(url: str, offset: int, allow: Callable[[str], None]) -> WebAnswer:
    """From `offset` on. `allow` raises for an address that must not be fetched. Raises DataFault, DataLater."""
    opener = (
        urllib.request.OpenerDirector()
    )  # with no handler of its own that follows redirects or reads files
    for each in (urllib.request.ProxyHandler(), _PlainHandler(), _SecureHandler()):
        opener.add_handler(each)
    try:
        answer = _followed(opener, url, offset, allow)
    except (http.client.InvalidURL, UnicodeError):
        raise DataFault(f"{plain(url)} cannot be used. It is not an address of the web.") from None
    except (OSError, http.client.HTTPException) as error:
        raise DataLater(f"{plain(url)} cannot be used. {_reason(error)}") from None
    try:
        return WebAnswer(answer, url, _size(answer, url, offset))
    except BaseException:
        answer.close()
        raise


def _followed(
    opener: urllib.request.OpenerDirector, url: str, offset: int, allow: Callable[[str], None]
) -> http.client.HTTPResponse:
    headers = {"accept-encoding": "identity"}
    if offset:
        headers["range"] = f"bytes={offset}-"
    parts = urlsplit(url)
    at = urlunsplit(parts._replace(path=_encoded(parts.path), query=_encoded(parts.query)))
    for _ in range(REDIRECTS_MAX):
        allow(at)
        answer: http.client.HTTPResponse = opener.open(
            urllib.request.Request(at, headers=headers), timeout=_CONNECT_S
        )
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or location is None:
            return answer
        answer.close()
        at = urljoin(at, _encoded(location, "iso-8859-1"))  # as the bytes of headers are read
        parts = urlsplit(at)
        # What `allow` reads as the host must be what is connected to, whatever the two make of such characters.
        if parts.scheme not in ("http", "https") or not set("@%\\").isdisjoint(parts.netloc):
            raise DataFault(
                f"{plain(url)} cannot be used. It redirects to an address that is not of the web."
            )
    raise DataFault(f"{plain(url)} cannot be used. It redirects more than {REDIRECTS_MAX} times.")


def _encoded(text: str, encoding: str = "utf-8") -> str:
    return quote(text, safe=string.punctuation, encoding=encoding)


def _size(answer: http.client.HTTPResponse, url: str, offset: int) -> int:
    """Of the whole file."""
    if answer.status >= 300:
        _refuse(answer, url)
    if offset:
        start, _, size = answer.headers.get("content-range", "").partition("/")
        if answer.status == 206 and start.startswith(f"bytes {offset}-") and size.isdecimal():
            return int(size)
        raise DataLater(f"{plain(url)} was not sent from byte {offset:,} on.")
    length = answer.headers.get("content-length", "")
    if answer.status != 200 or not length.isdecimal():
        raise DataFault(f"{plain(url)} cannot be used. The server does not say how long it is.")
    return int(length)


def _refuse(answer: http.client.HTTPResponse, url: str) -> NoReturn:
    status = answer.status
    words = f"The store answered HTTP {status} {answer.reason}".strip()
    if status in (404, 410):
        raise DataMissing(f"{plain(url)} does not exist. {words}.")
    if status < 500 and status not in _LATER:
        raise DataFault(f"{plain(url)} cannot be used. {words}.")
    raise DataLater(f"{plain(url)} cannot be used. {words}.")


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    known = cause.strerror if isinstance(cause, OSError) else None
    return f"The connection failed: {known or type(cause).__name__}."
