"""The JSON of a job class and of a plan in rows. Written and read by the server; read by simulations of its log.

Never changes what is given. A form that changes gets a new number in `versions`.
"""

from typing import Any

import msgspec

from herder.model.planning.plan import CreateWorker, Plan
from herder.model.values.resources import PLAIN, Dimensions, Resources
from herder.model.work.job import JobClass


def encode_class(job_class: JobClass) -> str:
    """The stored form."""
    plain = {**msgspec.to_builtins(job_class), "request": job_class.request.stored()}
    return msgspec.json.encode(plain).decode()


def decode_class(text: str, table: Dimensions = PLAIN) -> JobClass:
    """The stored form back. Raises KeyError for a resource that the table does not know."""

    def read(kind: type, plain: Any) -> Any:
        if issubclass(kind, Resources):
            return table.read(plain)
        raise NotImplementedError(kind.__name__)

    return msgspec.json.decode(text, type=JobClass, dec_hook=read)


def plain_plan(plan: Plan) -> dict[str, Any]:
    """As JSON: actions carry their kind."""
    body: dict[str, Any] = msgspec.to_builtins(plan)
    body["actions"] = [
        {"action": "create" if isinstance(action, CreateWorker) else "drain", **_plain_action(action)}
        for action in plan.actions
    ]
    return body


def _plain_action(action: object) -> dict[str, Any]:
    """Options that nobody set are left out: plans that were recorded before there were any are made again byte for byte."""
    plain: dict[str, Any] = msgspec.to_builtins(action)
    for option in ("driver_options", "bootstrap", "bootstrap_fingerprint"):
        if "spec" in plain and not plain["spec"][option]:
            del plain["spec"][option]
    return plain
