"""Paged lists as one iterator. Used by the parts of the client; requests a page only when it is needed."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from herder.client.errors import ServerError
from herder.client.http.transport import Query, Transport
from herder.model.values.phrases import clause
from herder.wire.api.resources import Page

T = TypeVar("T", bound=msgspec.Struct)
PAGE_SIZE = 500


def pages(
    http: Transport, path: str, kind: type[T], query: Query | None = None, *, limit: int | None = None
) -> Iterator[T]:
    """All items, or the first `limit`. Raises ServerError when the server's cursor does not move."""
    after: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
        asked: dict[str, Any] = {**(query or {}), "limit": size}
        if after is not None:
            asked["after"] = after
        page = http.get(path, Page, asked)
        items = convert(page.items, kind, path)
        yield from items if left is None else items[:left]
        if left is not None:
            left -= len(items)
        if page.next is None:
            return
        if page.next == after:
            raise ServerError(
                f"The list {path} repeats its page {after}.", hint="Please report this as a bug in Herder."
            )
        after = page.next


def whole(http: Transport, path: str, kind: type[T], query: Query | None = None) -> Iterator[T]:
    """A list that always comes in one piece."""
    yield from convert(http.get(path, Page, query).items, kind, path)


def convert(items: list[Any], kind: type[T], path: str) -> list[T]:
    try:
        return msgspec.convert(items, list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        message = f"The list {path} cannot be read: {clause(error)}."
        raise ServerError(message, hint="Check that client and server have the same version.") from None
