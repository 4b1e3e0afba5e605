"""Ed25519 certificates as Talos makes them: an authority, servers, clients with roles, and the talosconfig that holds one. For tests."""

import base64
import json
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from herder.remote.talos.methods import ADMIN

DAY_MS = 86_400_000


class Authority:
    def __init__(self, now_ms: int, name: str = "talos") -> None:
        self.now_ms = now_ms
        self._key = Ed25519PrivateKey.generate()
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        self._certificate = (
            self._builder(self._name, now_ms - DAY_MS, now_ms + 3650 * DAY_MS)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, None)
        )

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        *,
        roles: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
        from_ms: int | None = None,
        until_ms: int | None = None,
    ) -> tuple[str, str]:
        """Certificate and key, as PEM."""
        key = Ed25519PrivateKey.generate()
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in roles]
        subject = x509.Name(names or [x509.NameAttribute(NameOID.COMMON_NAME, "apid")])
        begin_ms = self.now_ms - 60_000 if from_ms is None else from_ms
        end_ms = self.now_ms + 365 * DAY_MS if until_ms is None else until_ms
        builder = self._builder(subject, begin_ms, end_ms).public_key(key.public_key())
        if addresses:
            alternatives = [x509.IPAddress(ip_address(each)) for each in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, None).public_bytes(Encoding.PEM).decode()
        return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def talosconfig(
        self,
        endpoints: tuple[str, ...],
        *,
        roles: tuple[str, ...] = (ADMIN,),
        context: str = "testing",
        from_ms: int | None = None,
        until_ms: int | None = None,
    ) -> str:
        """JSON, which is YAML too."""
        certificate, key = self.issue(roles=roles, from_ms=from_ms, until_ms=until_ms)
        chosen = {
            "endpoints": list(endpoints),
            "ca": _base64(self.pem),
            "crt": _base64(certificate),
            "key": _base64(key.replace("PRIVATE KEY", "ED25519 PRIVATE KEY")),  # the name that Talos gives it
        }
        return json.dumps({"context": context, "contexts": {context: chosen}}, indent=2) + "\n"

    def worker_base(self, endpoint: str) -> str:
        """What `talosctl gen config --output-types worker` writes, in short."""
        machine = {
            "type": "worker",
            "token": "abcdef.0123456789abcdef",
            "ca": {"crt": _base64(self.pem), "key": ""},
            "kubelet": {"image": "ghcr.io/siderolabs/kubelet:v1.36.0"},
            "install": {"disk": "/dev/sda", "image": "ghcr.io/siderolabs/installer:v1.13.9"},
        }
        cluster = {
            "id": _base64("an id of a cluster that is a test"),
            "secret": _base64("a secret of a cluster that is one"),
            "controlPlane": {"endpoint": endpoint},
            "token": "fedcba.fedcba9876543210",
            "ca": {"crt": _base64(self.pem), "key": ""},
        }
        whole = {"version": "v1alpha1", "machine": machine, "cluster": cluster}
        return json.dumps(whole, indent=2) + "\n"

    def _builder(self, subject: x509.Name, begin_ms: int, end_ms: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(begin_ms))
            .not_valid_after(_time(end_ms))
        )


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
