"""Reads a worker's report: as a whole if it is valid, else item by item, so that a bad item does not affect the others.

Used by the API. The second way is slower and is taken only when the first has failed.
"""

from typing import Literal, TypeVar

import msgspec

from herder.model.values.phrases import counted
from herder.wire.worker.exchange import ExchangeRequest, Finished, LogChunk, Refusal, Whole

#: A report with more bad items than this is refused as a whole: the worker then finds them by halves.
REFUSALS_MAX = 10_000

Item = TypeVar("Item")


class _Frame(msgspec.Struct, kw_only=True):
    """An `ExchangeRequest` with the items of its lists unread."""

    number: int
    ack: int = 0
    finished: list[msgspec.Raw] = []
    started: list[msgspec.Raw] = []
    logs: list[msgspec.Raw] = []
    held: list[tuple[int, int]] | None = None
    use: tuple[Whole, Whole] | None = None
    troubles: list[str] = []
    wait: bool = True
    leaving: bool = False


_REQUEST = msgspec.json.Decoder(ExchangeRequest)
_FRAME = msgspec.json.Decoder(_Frame)
_FINISHED = msgspec.json.Decoder(Finished)
_STARTED = msgspec.json.Decoder(tuple[int, int, Whole])
_LOGS = msgspec.json.Decoder(LogChunk)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_report(body: bytes | bytearray) -> tuple[ExchangeRequest, list[Refusal]]:
    """Raises what msgspec raises when not even the frame can be read."""
    try:
        return _REQUEST.decode(body), []
    except _UNREADABLE:
        frame = _FRAME.decode(body)
    refused: list[Refusal] = []
    request = ExchangeRequest(
        number=frame.number,
        ack=frame.ack,
        finished=_read(frame.finished, _FINISHED, "finished", refused),
        started=_read(frame.started, _STARTED, "started", refused),
        logs=_read(frame.logs, _LOGS, "logs", refused),
        held=frame.held,
        use=frame.use,
        troubles=frame.troubles,
        wait=frame.wait,
        leaving=frame.leaving,
    )
    if len(refused) > REFUSALS_MAX:
        raise msgspec.ValidationError(f"{counted(len(refused), 'item')} of the report cannot be read.")
    return request, refused


def _read(
    items: list[msgspec.Raw],
    decoder: msgspec.json.Decoder[Item],
    kind: Literal["finished", "started", "logs"],
    refused: list[Refusal],
) -> list[Item]:
    good: list[Item] = []
    for index, item in enumerate(items):
        try:
            good.append(decoder.decode(item))
        except _UNREADABLE as error:
            refused.append(Refusal(kind=kind, index=index, reason=str(error)[:300]))
    return good
