"""What Google did with a VM, from its operations: for a person who looks for a fault. Called by `driver`."""

from datetime import datetime

from herder.drivers.gcp.api import Json
from herder.drivers.gcp.errors import errors_of
from herder.model.fleet.driver_capabilities import ProviderOperation


def operation_of(found: Json) -> ProviderOperation:
    errors = errors_of(found)
    detail = "; ".join(f"{each.get('code', '')}: {each.get('message', '')}".strip(": ") for each in errors)
    done = found.get("status") == "DONE"
    return ProviderOperation(
        kind=str(found.get("operationType", "")),
        state="failed" if errors else "done" if done else "running",
        began_ms=_ms(str(found.get("insertTime", ""))),
        by=str(found.get("user", "")),
        detail=detail,
    )


def _ms(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None
