"""Examples of the errors of the Talos API, for `test_errors`."""

import ssl

from herder.model.fleet.driver import DriverError
from herder.remote.talos.errors import Called, CertificateUnknown, Lost, Unreached, lost, not_trusted
from tests.words.error_cases import Case

_CALLED = Called(method="Version", at="10.0.0.21", roles=("os:reader",), changes=False)


def _raised(error: DriverError) -> None:
    raise error


def _untrusted() -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"
    raise not_trusted("10.0.0.21", error)


CASES = (
    Case(
        Unreached,
        lambda: _raised(lost(_CALLED, Lost("Connect call failed", sent=False))),
        "Talos at 10.0.0.21 does not answer Version: Connect call failed.",
    ),
    Case(
        CertificateUnknown,
        _untrusted,
        "The certificate of Talos at 10.0.0.21 is not of the authority of the talosconfig: self-signed certificate. "
        "The machine is in maintenance mode, or belongs to another cluster.",
    ),
)
