"""Whether the bootstrap for Talos can work: certificate, role, endpoints. Called for a person who looks; changes nothing."""

from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.model.values.phrases import counted, listed
from herder.remote.talos.certificates import Validity
from herder.remote.talos.client import TalosClient
from herder.remote.talos.methods import ADMIN, OPERATOR

WARN_DAYS = 30
_RENEW = "Create a new talosconfig with `talosctl config new`."


async def checks(client: TalosClient, now_ms: int, role: str = OPERATOR) -> list[Check]:
    """`role`: that the certificate must have at least."""
    found = [_certificate(client.validity, now_ms), _role(client.validity, role)]
    for endpoint in client.endpoints:
        try:
            version = await client.version(endpoint, via=endpoint)
        except DriverError as error:
            found.append(Check(name=f"Endpoint {endpoint}", passed=False, detail=str(error)))
        else:
            found.append(Check(name=f"Endpoint {endpoint}", passed=True, detail=f"Talos {version} answers."))
    return found


def _certificate(validity: Validity, now_ms: int) -> Check:
    wrong, left = validity.problem(now_ms), validity.days_left(now_ms)
    passed = not wrong and left >= WARN_DAYS
    detail = f"It {wrong}" if wrong else f"It is valid for another {counted(left, 'day')}."
    return Check(name="Client certificate", passed=passed, detail=detail, remedy="" if passed else _RENEW)


def _role(validity: Validity, role: str) -> Check:
    passed = role in validity.roles or ADMIN in validity.roles
    return Check(
        name="Role",
        passed=passed,
        detail=f"The certificate has {listed(validity.roles) or 'no role'}.",
        remedy="" if passed else f"Create a talosconfig with `talosctl config new --roles {role}`.",
    )
