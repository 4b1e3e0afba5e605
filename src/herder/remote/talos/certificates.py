"""From when until when a client certificate is valid, and which roles it has. Called by `client` and by checks; it reads no file."""

from dataclasses import dataclass

from herder.model.fleet.driver import InvalidRequest

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    from_ms: int
    until_ms: int
    roles: tuple[str, ...]

    def problem(self, now_ms: int) -> str:
        """The end of a sentence that begins with the certificate, and the remedy; empty: none."""
        if now_ms > self.until_ms:
            return "has expired. Create a new one with `talosctl config new`."
        if now_ms < self.from_ms:
            return "is not yet valid: the clock of this server is wrong. Correct the time."
        return ""

    def days_left(self, now_ms: int) -> int:
        return max(0, (self.until_ms - now_ms) // DAY_MS)


def validity_of(certificate_pem: str) -> Validity:
    """Raises InvalidRequest."""
    from cryptography.x509 import load_pem_x509_certificate
    from cryptography.x509.oid import NameOID

    try:
        found = load_pem_x509_certificate(certificate_pem.encode())
    except ValueError:
        raise InvalidRequest(
            "The client certificate of the talosconfig cannot be read. Create a new one with `talosctl config new`."
        ) from None
    names = found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Validity(
        from_ms=int(found.not_valid_before_utc.timestamp() * 1000),
        until_ms=int(found.not_valid_after_utc.timestamp() * 1000),
        roles=tuple(str(each.value) for each in names),
    )
