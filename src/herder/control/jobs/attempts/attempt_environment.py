"""What an attempt of a typed job finds in its environment, and the token with which it may call the server about itself.

Called by `control/workers/exchange.py` when such an attempt is given to a worker, and by the routes that attempts call. The token is made
from the secret of the installation and stored nowhere; it is good for one attempt of one job, while that attempt lives. Only jobs with a
type pay for it: their payload is read once more.
"""

import hmac
import re
from dataclasses import replace

import msgspec

from herder.control.kernel.bounds.errors import Unauthenticated
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token
from herder.engine.memory.state import LiveAttempt
from herder.model.ids import JobId
from herder.model.permissions import Principal, Role
from herder.model.work.job import JobClass
from herder.wire.worker import startup
from herder.wire.worker.exchange import JobPayload

_decode = msgspec.json.Decoder(JobPayload).decode
_encode = msgspec.json.Encoder().encode
_TOKEN = re.compile(r"attempt-([0-9]{1,18})-([0-9]{1,9})-([0-9a-f]{64})")


def with_environment(core: Core, attempt: LiveAttempt, job_class: JobClass, payload: bytes) -> bytes:
    """The payload of a typed job with the variables of this attempt. What the job itself set as JOB_ID stays."""
    given = _decode(payload)
    given.env = {
        startup.TYPED_JOB_ID: str(attempt.job),
        startup.TYPED_PROJECT: job_class.project,
        **given.env,
        startup.TYPED_JOB_TYPE: job_class.type,
        startup.TYPED_SERVER: core.settings.server_url,
        startup.TYPED_TOKEN: attempt_token(core, attempt.job, attempt.number),
    }
    return _encode(given)


def attempt_token(core: Core, job: int, number: int) -> str:
    return f"attempt-{job}-{number}-{_proof(core, job, number)}"


def attempt_of(core: Core, token: str) -> tuple[JobId, int]:
    """The job and the number of the attempt that a token was made for; whether it still lives is for the caller. Raises Unauthenticated."""
    found = _TOKEN.fullmatch(token)
    if found is not None:
        job, number = int(found[1]), int(found[2])
        if hmac.compare_digest(found[3], _proof(core, job, number)):
            return JobId(job), number
    raise Unauthenticated(
        "Unknown token of an attempt.",
        hint=f"Send the ${startup.TYPED_TOKEN} of the attempt as bearer token.",
    )


def user_of(core: Core, token: str) -> Principal:
    """The user of a live attempt, as one who only reads, and only what is theirs or their projects'. Raises Unauthenticated."""
    job, number = attempt_of(core, token)
    attempt = core.state.live.get(job)
    if attempt is None or attempt.number != number:
        raise Unauthenticated(f"Attempt {number} of job {job} has ended, and its token with it.")
    person = core.directory.person(core.state.classes[attempt.class_id].user)
    if person is None:
        raise Unauthenticated(f"The user of job {job} was deleted.")
    return replace(person, role=Role.VIEWER)


def _proof(core: Core, job: int, number: int) -> str:
    return derived_token(core.settings.secret, f"attempt/{job}/{number}")
