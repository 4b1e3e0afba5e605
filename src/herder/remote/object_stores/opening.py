"""Opens object stores and web addresses with obstore, and tells its errors in the store's words.

Everything here blocks, so it runs in threads. A signed URL is a secret while it holds: no error shows its query.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from herder.model.values.phrases import clause, sentence
from herder.wire.data import DataUrl

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LACKING = "Data by URL needs the package obstore. Install herder[data] here."
CLIENT: Any = {"allow_http": True, "connect_timeout": "5s", "read_timeout": "30s", "timeout": "1d"}
RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
"""For a hiccup; an outage is waited for by who calls."""
_STATUS = re.compile(r"status code: (\d+ [A-Za-z ]+)")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>.{0,20}?<Message>([^<]{1,300})</Message>", re.DOTALL)
#: Of HTTP: it may work later.
_LATER = ("408", "425", "429")


class DataFault(Exception):
    """The job's own: what it names is not there, or may not be used. The text is a sentence."""


class DataMissing(DataFault):
    """It is not there."""


class DataLater(Exception):
    """The store does not answer, or not now. The text is a sentence."""


class DataLacking(Exception):
    """Data cannot be copied or signed here at all. The text is a sentence."""


def open_bucket(url: DataUrl, config: Mapping[str, Any] | None = None) -> "ObjectStore":
    """`config`: as obstore names it; without it the environment says how. Raises DataLacking, DataFault."""
    try:
        from obstore.store import from_url
    except ImportError:
        raise DataLacking(LACKING) from None
    address = f"{url.scheme}://{url.host}"
    with told(address):
        return from_url(address, client_options=CLIENT, retry_config=RETRIES, **dict(config or {}))


def open_address(url: str) -> "ObjectStore":
    """One web address as a store: the path in it is empty. Raises DataLacking, DataFault."""
    try:
        from obstore.store import HTTPStore
    except ImportError:
        raise DataLacking(LACKING) from None
    with told(url):
        return HTTPStore.from_url(url, client_options=CLIENT, retry_config=RETRIES)


def plain(url: str) -> str:
    """Without its query, which may be a signature."""
    return url.partition("?")[0]


@contextmanager
def told(url: str, *, signed: bool = False) -> Iterator[None]:
    """Errors of the store become DataFault or DataLater; those of this machine's files stay OSError. `signed`: the URL holds for a while."""
    import obstore.exceptions as known

    try:
        yield
    except FileNotFoundError as error:
        if error.errno is not None:
            raise
        raise DataMissing(f"{plain(url)} does not exist. {_words(error)}") from None
    except known.AlreadyExistsError:
        raise
    except known.BaseError as error:
        status = _STATUS.search(str(error))
        wording = f"{plain(url)} cannot be used. {_words(error)}"
        refused = isinstance(error, known.PermissionDeniedError | known.UnauthenticatedError)
        if signed and refused:
            raise DataLater(wording) from None
        if refused or (status is not None and status[1][0] == "4" and status[1][:3] not in _LATER):
            raise DataFault(wording) from None
        raise DataLater(wording) from None
    except ValueError as error:
        raise DataFault(f"{plain(url)} cannot be used. {_words(error)}") from None


def _words(error: Exception) -> str:
    """Status and the store's own code and message; of a store that did not answer, what obstore says of it."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None and code is None:
        return sentence(clause(re.sub(r"\S+://\S+", "the store", _first_line(text))[-300:]))
    parts = [f"The store answered HTTP {status[1].strip()}"] if status else ["The store answered"]
    return sentence(clause(": ".join([*parts, *(code.groups() if code else ())])))


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:400] or "obstore gave no reason"
