"""Lists that are filtered by fields of the address: `?after=` is where the page before ended. Used by the pages of the fleet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from herder.control.kernel.bounds.errors import Refused
from herder.wire.api.resources import Page

#: Characters of a filter that are read.
FILTER_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of a list. `wrong`: what is wrong with a filter, and then there are no rows."""

    rows: Sequence[Any]
    filters: Mapping[str, str]
    first: bool
    next: str | None = None
    total: int | None = None
    wrong: str = ""
    query: str = field(init=False, default="")
    """Of the first page with these filters."""
    later: str = field(init=False, default="")
    """Of the next page; empty: there is none."""

    def given(self, name: str) -> str:
        """A filter; empty: it is not set."""
        return self.filters.get(name, "")

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", urlencode(self.filters))
        if self.next:
            object.__setattr__(self, "later", urlencode({**self.filters, "after": self.next}))


def filters_in(request: Request, names: Iterable[str]) -> dict[str, str]:
    """Those of the address that are not empty. What cannot be printed is in no name."""
    given = {name: request.query_params.get(name, "").strip()[:FILTER_MAX] for name in names}
    return {name: value for name, value in given.items() if value and value.isprintable()}


def with_query(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def listed(page: Page, filters: Mapping[str, str], after: object) -> Listed:
    return Listed(rows=page.items, filters=filters, first=after is None, next=page.next, total=page.total)


def refused(error: Refused, filters: Mapping[str, str]) -> Listed:
    """In the place of a page."""
    return Listed(rows=[], filters=filters, first=True, wrong=f"{error.detail} {error.hint}".strip())


def part_of(page: Page, after: int | None, rows: int) -> Page:
    """`rows` of a list that the API answers whole."""
    start = after or 0
    end = start + rows
    following = str(end) if len(page.items) > end else None
    return Page(items=page.items[start:end], next=following, total=len(page.items))
