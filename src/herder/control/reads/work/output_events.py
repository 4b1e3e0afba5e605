"""Output that is followed as server-sent events, and where a stream that was cut goes on. For the API and the dashboard."""

import re

import msgspec

from herder.control.reads.work.followed_output import Form

_encode = msgspec.json.Encoder().encode
_PLACE = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")


def place_of(last_event_id: str) -> tuple[int, int] | None:
    """(attempt, byte) of the header Last-Event-ID; None: it names none."""
    found = _PLACE.fullmatch(last_event_id)
    return None if found is None else (int(found[1]), int(found[2]))


def _event(attempt: int, at: int, text: str) -> str:
    """JSON, since the text may hold anything; the id is where the output goes on."""
    data = _encode({"attempt": attempt, "text": text}).decode()
    return f"id: {attempt}-{at}\nevent: output\ndata: {data}\n\n"


EVENTS = Form(
    output=_event,
    attempt=lambda attempt: f'event: attempt\ndata: {{"attempt":{attempt}}}\n\n',
    idle=": still here\n\n",
    end="event: end\ndata: {}\n\n",
)
