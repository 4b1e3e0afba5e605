"""The certificate of a Proxmox API: what is trusted, and what a person reads of one that is not."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from herder.control.kernel.clock import SystemClock
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings, make
from herder.model.fleet.driver import DriverContext, Unavailable
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET
from herder.testing.proxmox.server import serving
from tests.words.rules import faults

DAY = timedelta(days=1)


class Authority:
    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority {folder.name}")])
        made = self._certificate(self._name, self._key, -DAY, 30 * DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )

    def server(
        self, address: str = "127.0.0.1", begins: timedelta = -DAY, ends: timedelta = DAY
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pve1")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        made = self._certificate(subject, key, begins, ends).add_extension(names, critical=False)
        file = self._folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMOX_TOKEN_SECRET", TOKEN_SECRET)


def driver(url: str, ca_file: Path | None, *, verify: bool = True) -> ProxmoxDriver:
    settings = ProxmoxSettings(
        url=url, token_id=TOKEN_ID, ca_file=None if ca_file is None else str(ca_file), verify=verify
    )
    return make(settings, DriverContext(name="proxmox", installation="lab", clock=SystemClock()))


def said(tls: ssl.SSLContext, ca_file: Path | None, *, verify: bool = True) -> str:
    """What a person reads; empty: the API can be used."""
    with serving(tls=tls) as server:
        found = driver(server.url, ca_file, verify=verify)
        text = ""
        try:
            found.health()
        except Unavailable as error:
            text = str(error)
        finally:
            found.close()
    assert not text or faults(text) == []
    assert TOKEN_SECRET not in text
    return text


def test_an_authority_of_its_own_is_trusted_by_its_file_only(authority: Authority) -> None:
    assert said(authority.server(), authority.file) == ""
    text = said(authority.server(), None)
    assert "is not signed by an authority that this machine trusts. Set ca_file" in text
    assert said(authority.server(), None, verify=False) == ""


@pytest.mark.parametrize(
    ("begins", "ends", "text"),
    [
        (-10 * DAY, -DAY, "its certificate has expired. Renew it on the node, or correct the clock"),
        (DAY, 10 * DAY, "its certificate is not valid yet. Correct the clocks"),
    ],
)
def test_a_certificate_of_another_time(
    authority: Authority, begins: timedelta, ends: timedelta, text: str
) -> None:
    """Also a right one, when the clock of this machine is wrong."""
    assert text in said(authority.server(begins=begins, ends=ends), authority.file)


def test_a_certificate_of_another_address(authority: Authority) -> None:
    text = said(authority.server(address="10.0.0.7"), authority.file)
    assert "its certificate is for another name. Write in url" in text


def test_a_server_that_speaks_no_https(authority: Authority) -> None:
    with serving() as server:
        found = driver(server.url.replace("http:", "https:"), authority.file)
        with pytest.raises(Unavailable, match="does not speak HTTPS there"):
            found.health()
        found.close()
