"""Copies one object or file to this machine: as it comes, resumed after a break, checked, and under its name only when it is whole.

Everything here blocks, and runs in the threads of `transfers`. What was copied before a break is kept in the part file and told by
`Source`; a server that cannot send the rest, or has another content by then, sends all of it again.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from herder.agent.data import local
from herder.agent.data.cache import InputCache, name_of
from herder.remote.object_stores.opening import DataFault, DataLater, open_address, told
from herder.remote.object_stores.web import WebAnswer, fetch

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART = ".herder-part"
_CHUNK = 4 * 2**20
Check = Callable[[], None]
#: Who sends less than this in this time is left, so that it does not hold a thread that others wait for.
SLOW_S = 60.0
SLOW_BYTES = 2**19


class Watch(NamedTuple):
    """`check` counts a piece; `look` does not, and is called whenever something arrives. Both raise to stop the copying."""

    check: Check
    look: Check
    now_ms: Callable[[], int]
    fits: Callable[["Source", int], None]
    """Raises DataFault when the inputs, with this one of so many bytes, are more than the disk of the job."""


@dataclass(slots=True, kw_only=True)
class Source:
    """One file to copy. `shown`: its URL for people. `store` and `key`, or `address` (which may be signed), or `path`."""

    name: str
    shown: str
    store: "ObjectStore | None" = None
    key: str = ""
    address: str = ""
    signed: bool = False
    allow: Callable[[str], None] | None = None
    """Of a web address: raises DataFault for one that must not be fetched, also when a redirect leads to it. None: it is of a store."""
    path: str = ""
    size: int | None = None
    e_tag: str = ""
    sha256: str = ""
    version: tuple[Any, ...] | None = None
    """Of what the part file holds: size, tag and date that the store said."""
    cache_as: str = ""
    """Whose it is and where it comes from; empty: it is not cached."""


class Copied(NamedTuple):
    size: int
    from_cache: bool = False
    in_cache: bool = False
    """From now on, or still."""


def download(
    source: Source, target: str, folders: Sequence[str], watch: Watch, cache: InputCache | None = None
) -> Copied:
    """The file is at `target` then. Raises DataFault, DataLater, DataLacking, OSError, or what `watch` raises."""
    part = target + PART
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600)
    try:
        if source.path:
            copied = Copied(_copy_local(source, descriptor, folders, watch))
        else:
            copied = _copy_store(source, descriptor, watch, cache if source.cache_as else None)
    except DataFault:
        _forget(part)
        raise
    finally:
        os.close(descriptor)
    os.rename(part, target)
    return copied


def _copy_local(source: Source, target: int, folders: Sequence[str], watch: Watch) -> int:
    opened = local.open_allowed(source.path, folders)
    try:
        os.ftruncate(target, 0)
        before = os.fstat(opened)
        watch.fits(source, before.st_size)
        copied = local.copy(opened, target, watch.check)
        after = os.fstat(opened)
    finally:
        os.close(opened)
    if copied != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise DataLater(f"{source.shown} changed while it was copied.")
    if source.sha256:
        _compare(source, target, watch.check)
    return copied


def _copy_store(source: Source, target: int, watch: Watch, cache: InputCache | None) -> Copied:
    have = os.lseek(target, 0, os.SEEK_END) if source.version is not None else 0
    answer = _rest(source, have) if have else None
    if answer is None:
        have = 0
        with told(source.shown, signed=source.signed):
            answer = _get(source, 0)
        source.version = _version(answer)
    try:
        name = _name_in_cache(source, answer) if cache is not None else ""
        if (
            cache is not None
            and name
            and not have
            and _from_cache(source, answer, target, watch, cache, name)
        ):
            return Copied(answer.meta["size"], from_cache=True, in_cache=True)
        size = _kept(source, answer, have, target, watch)
    finally:
        _close(answer)
    if source.sha256:
        _compare(source, target, watch.check)
    kept = cache is not None and bool(name) and cache.put(name, size, target, watch.check)
    return Copied(size, in_cache=kept)


def _name_in_cache(source: Source, answer: Any) -> str:
    """Empty: the server does not say enough to tell this content from another."""
    meta = answer.meta
    tag = meta["e_tag"] or ""
    if tag.startswith("W/"):
        tag = ""
    version = tag or (answer.settled if isinstance(answer, WebAnswer) else "")
    return name_of(source.cache_as, version, meta["size"]) if version else ""


def _from_cache(source: Source, answer: Any, target: int, watch: Watch, cache: InputCache, name: str) -> bool:
    size: int = answer.meta["size"]
    _expect(source, answer)
    watch.fits(source, size)
    if not cache.take(name, size, target, watch.check):
        return False
    if source.sha256 and sum_of(target, watch.check) != source.sha256.lower():
        cache.forget(name)  # the disk's fault or the job's: the server's own copy tells which
        return False
    return True


def _kept(source: Source, answer: Any, have: int, target: int, watch: Watch) -> int:
    if not have:
        _expect(source, answer)
    size: int = answer.meta["size"]
    watch.fits(source, size)
    os.ftruncate(target, have)
    os.lseek(target, have, os.SEEK_SET)
    with told(source.shown, signed=source.signed):
        have += _written(source, answer, target, watch)
    if have != size:
        raise DataLater(f"{source.shown} ended after {have:,} of {size:,} bytes.")
    return have


def _written(source: Source, answer: Any, target: int, watch: Watch) -> int:
    """Bytes that came, each as soon as it came. Raises DataLater when they are few."""
    copied = counted = in_window = 0
    began_ms = watch.now_ms()
    for chunk in answer.stream(min_chunk_size=1):
        watch.look()
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]
        copied += len(chunk)
        in_window += len(chunk)
        if copied - counted >= _CHUNK:
            counted = copied
            watch.check()
        now_ms = watch.now_ms()
        if in_window >= SLOW_BYTES:
            began_ms, in_window = now_ms, 0
        elif now_ms - began_ms > SLOW_S * 1_000:
            raise DataLater(f"{source.shown} sent only {in_window:,} bytes in {SLOW_S:g} s.")
    watch.check()
    return copied


def _rest(source: Source, offset: int) -> Any:
    """What is missing; None when the store cannot send it, or has something else by now."""
    from obstore.exceptions import BaseError

    try:
        answer = _get(source, offset)
    except (BaseError, DataFault, DataLater, OSError):
        return None  # asked for as a whole, it says what is wrong
    if _version(answer) == source.version:
        return answer
    _close(answer)
    return None


def _close(answer: Any) -> None:
    """Those of obstore need it not."""
    if isinstance(answer, WebAnswer):
        answer.close()


def _get(source: Source, offset: int) -> Any:
    if source.allow is not None:
        return fetch(source.address, offset, source.allow)
    import obstore

    store = open_address(source.address) if source.address else source.store
    assert store is not None
    return obstore.get(store, source.key, options={"range": {"offset": offset}} if offset else {})


def _version(answer: Any) -> tuple[Any, ...]:
    meta = answer.meta
    return meta["size"], meta["e_tag"], meta["last_modified"]


def _expect(source: Source, answer: Any) -> None:
    """Of what was listed before: the same content."""
    listed, now = source.e_tag, answer.meta["e_tag"] or ""
    if listed and now and listed != now:
        raise DataLater(f"{source.shown} changed after it was listed.")


def _compare(source: Source, descriptor: int, check: Check) -> None:
    found = sum_of(descriptor, check)
    if found != source.sha256.lower():
        raise DataFault(f"{source.shown} has the SHA-256 {found}; the job wants {source.sha256}.")


def sum_of(descriptor: int, check: Check) -> str:
    """Of the whole file, in hexadecimal digits; the descriptor is at its beginning after that."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while piece := os.read(descriptor, _CHUNK):
        digest.update(piece)
        check()
    os.lseek(descriptor, 0, os.SEEK_SET)
    return digest.hexdigest()


def _forget(part: str) -> None:
    with suppress(OSError):
        os.unlink(part)
