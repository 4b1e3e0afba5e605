"""What a URL of an object store names: one object, all below a folder, or those of a pattern. Blocks."""

from typing import TYPE_CHECKING, NamedTuple

from herder.remote.object_stores.opening import DataFault, told
from herder.wire.data import DataUrl
from herder.wire.patterns import Pattern

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OBJECTS_MAX = 100_000
"""Of one input."""


class Found(NamedTuple):
    """`name`: below the input's path; empty: the path itself."""

    name: str
    key: str
    size: int
    e_tag: str


def pattern_of(text: str) -> Pattern:
    """Raises DataFault."""
    try:
        return Pattern(text)
    except ValueError as error:
        raise DataFault(f"The pattern {text} cannot be used: {error}.") from None


def objects_of(store: "ObjectStore", url: DataUrl, text: str) -> list[Found]:
    """`text`: the URL as the job says it. Raises DataFault when there is none, DataLater."""
    import obstore

    if not (url.is_glob or url.is_folder):
        with told(text):
            head = obstore.head(store, url.key)
        return [Found("", url.key, head["size"], head["e_tag"] or "")]
    wanted = pattern_of(url.key) if url.is_glob else None
    out: list[Found] = []
    with told(text):
        for page in obstore.list(store, url.prefix or None):
            for each in page:
                key = each["path"]
                if wanted is None or wanted.matches(key):
                    out.append(Found(key.removeprefix(url.prefix), key, each["size"], each["e_tag"] or ""))
            if len(out) > OBJECTS_MAX:
                raise DataFault(f"{text} names more than {OBJECTS_MAX:,} objects.")
    if not out:
        raise DataFault(f"{text} names no object.")
    return out
