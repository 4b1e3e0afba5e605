"""The manifest of a job's outputs: one object that names them, created once.

It is the mark by which the outputs of a job exist exactly once: who creates it has written them, and any other attempt finds it.
Blocks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from herder.remote.object_stores.opening import DataFault, DataMissing, told
from herder.wire.data import DataPath, WrittenFile, url_below

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Listed(msgspec.Struct, kw_only=True):
    url: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, kw_only=True):
    job: int
    attempt: int
    files: list[Listed]


def manifest_of(job: int, attempt: int, outputs: Sequence[DataPath], files: Sequence[WrittenFile]) -> bytes:
    """`outputs`: with the URLs of this attempt."""
    listed = [
        Listed(url=url_below(outputs[each.output].url, each.name), size=each.size, sha256=each.sha256)
        for each in files
    ]
    listed.sort(key=lambda each: each.url)
    return msgspec.json.format(
        msgspec.json.encode(Manifest(job=job, attempt=attempt, files=listed)), indent=1
    )


def attempt_in(content: bytes, shown: str) -> int:
    """Whose manifest it is. Raises DataFault when it is none."""
    try:
        return msgspec.json.decode(content, type=Manifest).attempt
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise DataFault(
            f"{shown} is not a manifest of Herder. Remove it, or write the outputs elsewhere."
        ) from None


def settle(store: "ObjectStore", key: str, content: bytes, shown: str) -> int:
    """Whose manifest there is, after this one was created if there was none; 0: there is none, and `content` is empty.
    Raises DataFault, DataLater."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    if content:
        try:
            with told(shown):
                obstore.put(store, key, content, mode="create")
        except AlreadyExistsError:
            pass  # read below: it may be this attempt's, written by a call whose answer was lost
    try:
        with told(shown):
            found = bytes(obstore.get(store, key).bytes())
    except DataMissing:
        if content:
            raise
        return 0
    return attempt_in(found, shown)
