"""Examples of the errors of data by URL, for `test_errors`."""

import sys
from unittest import mock

from obstore.exceptions import GenericError

from herder.agent.data.local import open_allowed
from herder.remote.object_stores.opening import (
    DataFault,
    DataLacking,
    DataLater,
    DataMissing,
    open_address,
    told,
)
from tests.words.error_cases import Case


def _refused() -> None:
    with told("https://example.org/x?signature=secret"):
        raise GenericError(
            "Generic HTTP error: Error performing GET https://example.org/x?signature=secret in 1ms - Server returned "
            "non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        )


def _silent() -> None:
    with told("s3://data/x"):
        raise GenericError(
            "Generic S3 error: Error performing GET http://10.0.0.9/data/x in 1ms - HTTP error: error sending request\n\nDebug source: …"
        )


def _lacking() -> None:
    with mock.patch.dict(sys.modules, {"obstore.store": None}):
        open_address("https://example.org/x")


CASES = (
    Case(
        DataFault,
        _refused,
        "https://example.org/x cannot be used. The store answered HTTP 403 Forbidden: AccessDenied: Access Denied.",
    ),
    Case(
        DataMissing,
        lambda: open_allowed("/usr/no-such-file", ("/usr",)),
        "file:///usr/no-such-file does not exist.",
    ),
    Case(
        DataLater,
        _silent,
        "s3://data/x cannot be used. Generic S3 error: Error performing GET the store in 1ms - HTTP error: error sending request.",
    ),
    Case(
        DataLacking,
        _lacking,
        "Data by URL needs the package obstore. Install herder[data] here.",
    ),
)
