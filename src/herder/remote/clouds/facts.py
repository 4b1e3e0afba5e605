"""What a machine at a cloud carries: a name that follows from its worker, labels to find it by, and facts to adopt it by. Pure.

Names and labels of clouds are short and allow few letters; what exactly a machine was made as is in its facts. They hold no secret.
"""

import hashlib
import re

import msgspec

from herder.model.fleet.driver import InvalidRequest, MachineTags
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName

WORKER_LETTERS_MAX = 250
_HASH = 10
_READABLE_MAX = 40
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9_]{0,61}[a-z0-9])?")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    worker: str
    installation: str
    pool: str
    template: str
    zone: str = ""
    spot: bool = False

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @property
    def tags(self) -> MachineTags:
        return MachineTags(pool=PoolName(self.pool), template=self.template, zone=self.zone, spot=self.spot)


def facts_of(installation: str, spec: WorkerSpec) -> Facts:
    return Facts(
        worker=spec.name,
        installation=installation,
        pool=spec.pool,
        template=spec.template,
        zone=spec.zone,
        spot=spec.spot,
    )


def facts_in(text: str, installation: str) -> Facts | None:
    """None: these are not facts of ours."""
    try:
        found = msgspec.json.decode(text, type=Facts) if text else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found is not None and found.installation == installation else None


def check_worker(worker: str) -> None:
    if not worker or len(worker) > WORKER_LETTERS_MAX or not worker.isprintable() or "/" in worker:
        raise InvalidRequest(f"{worker[:WORKER_LETTERS_MAX]!r} is not a valid name of a worker.")


def machine_name(installation: str, worker: WorkerName | str) -> str:
    """Small letters, digits and hyphens, at most 59, as every cloud allows: `herder-burst-7-1-0123456789`."""
    digest = hashlib.sha256(f"{installation}/{worker}".encode()).hexdigest()[:_HASH]
    readable = re.sub(r"[^a-z0-9]+", "-", worker.lower())[:_READABLE_MAX].strip("-")
    return f"herder-{readable or 'worker'}-{digest}"


def label_value(text: str) -> str:
    """As it is where the strictest cloud allows it as the value of a label; else a hash of it."""
    return text if _LABEL.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:40]
