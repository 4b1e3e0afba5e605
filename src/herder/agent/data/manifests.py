"""The manifest of outputs that the worker writes itself: to a folder, or with its own credentials. Used by `transfers`, in its threads."""

from collections.abc import Sequence

from herder.agent.data import uploads
from herder.agent.data.local import open_allowed
from herder.remote.object_stores.manifest import attempt_in, settle
from herder.remote.object_stores.opening import DataMissing, open_bucket
from herder.wire.data import read_url

MANIFEST_BYTES_MAX = 64 * 2**20


def settled(place: str, content: bytes, mark: str, folders: Sequence[str]) -> int:
    """Whose manifest there is, after this one was created if there was none; 0: there is none, and `content` is empty.
    Raises DataFault, DataLater, DataLacking or OSError."""
    url = read_url(place)
    if url.scheme != "file":
        return settle(open_bucket(url), url.key, content, place)
    path = f"/{url.key}"
    if content:
        uploads.create_in_folder(content, path, mark, folders)
    try:
        descriptor = open_allowed(path, folders)
    except DataMissing:
        return 0
    with open(descriptor, "rb") as file:
        return attempt_in(file.read(MANIFEST_BYTES_MAX), place)
