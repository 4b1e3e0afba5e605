"""Lists that come in pages. Called by drivers of clouds.

A token that has expired starts the list anew, once: what was read before may have changed meanwhile, and half a list proves nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

from herder.model.fleet.driver import Unavailable
from herder.remote.clouds.errors import PagesExpired

Page = dict[str, Any]
PAGES_MAX = 1_000


def all_pages(fetch: Callable[[str], Page], next_of: Callable[[Page], str], what: str) -> list[Page]:
    """`fetch` gets the token of a page, empty for the first; `next_of` the token of the one after it, empty after the last."""
    try:
        return list(_pages(fetch, next_of, what))
    except PagesExpired:
        return list(_pages(fetch, next_of, what))


def _pages(fetch: Callable[[str], Page], next_of: Callable[[Page], str], what: str) -> Iterator[Page]:
    token, seen = "", set[str]()
    for _ in range(PAGES_MAX):
        page = fetch(token)
        yield page
        token = next_of(page)
        if not token:
            return
        if token in seen:
            raise Unavailable(f"The provider repeats a page token while {what}. The list cannot be read.")
        seen.add(token)
    raise Unavailable(f"The provider has more than {PAGES_MAX:,} pages while {what}. Herder reads no more.")
