"""The search of the header: `/search?q=`. What names one object leads to its page, a query to the search that answers it, a word to what has it in its name."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from herder.control.kernel.bounds.errors import NotKnown, Refused
from herder.control.reads.port import Reads
from herder.control.reads.search.batches import BatchFilter
from herder.control.reads.work.jobs import JobFilter
from herder.model.permissions import Principal
from herder.web.addresses import number_of
from herder.web.amounts import address_of
from herder.web.navigation import PLACES
from herder.web.pages.site import Shown, Site
from herder.wire.api.resources import Page

#: Hits of each kind.
HITS_MAX = 20
QUERY_MAX = 1000

#: `job 17`, `worker/burst-2-1`.
_NAMED = re.compile(r"(job|batch|plan|worker|pool|budget|alert)[ /]+(\S+)")
#: `state:failed`, `duration>5m`: the language of the searches of jobs and batches.
_QUERY = re.compile(r"\w+\s*(:|!?~|[<>=!])")
_LISTS = ("jobs", "batches")


@dataclass(frozen=True, slots=True)
class Hit:
    kind: str
    name: str
    address: str
    text: str = ""


def add(site: Site) -> None:
    reads = site.reads

    async def search(who: Principal, request: Request) -> Shown | Response:
        query = " ".join(request.query_params.get("q", "")[:QUERY_MAX].split())
        address = direct(query)
        if address:
            return RedirectResponse(address, 303)
        hits, more = await _hits(reads, who, query) if query else ([], False)
        exact = [hit for hit in hits if hit.name == query]
        if len(exact) == 1 and exact[0].address:
            return RedirectResponse(exact[0].address, 303)
        return Shown(
            template="search.html",
            command="herder --help",
            values={"query": query, "hits": hits, "more": more},
        )

    site.add("/search", "search", "search", search)


def direct(query: str) -> str:
    """Where the words alone lead. Empty: it has to be looked for."""
    words = query.lower()
    for place in PLACES:
        if words in (place.name, place.words.lower()):
            return place.address
    named = _NAMED.fullmatch(query)
    if named is not None:
        return address_of(f"{named[1]}/{named[2].removeprefix('#')}")
    first, _, rest = query.partition(" ")
    if first in _LISTS and rest:
        return f"/{first}?{urlencode({'q': rest})}"
    if _QUERY.match(query):
        return f"/jobs?{urlencode({'q': query})}"
    return ""


async def _hits(reads: Reads, who: Principal, query: str) -> tuple[list[Hit], bool]:
    """At most `HITS_MAX` of each kind, and whether there are more."""
    found: list[Hit] = []
    more = False
    for kind, names in (
        ("pool", _names(await reads.pools(who))),
        ("worker", reads.worker_names(who)),
        ("budget", _names(reads.budgets(who))),
        ("user", _names(reads.users(who))),
    ):
        fits = sorted(
            (each for each in names if query.lower() in each.lower()), key=lambda name: (name != query, name)
        )
        more = more or len(fits) > HITS_MAX
        found += [Hit(kind, name, address_of(f"{kind}/{name}")) for name in fits[:HITS_MAX]]
    return [*found, *await _numbered(reads, who, query), *await _named(reads, who, query)], more


def _names(page: Page) -> list[str]:
    return [each.name for each in page.items]


async def _numbered(reads: Reads, who: Principal, query: str) -> list[Hit]:
    """The job and the batch with this number."""
    try:
        number = number_of(query.removeprefix("#"), "job")
    except NotKnown:
        return []
    found = []
    for kind, read in (("job", reads.job), ("batch", reads.batch)):
        try:
            view = await read(who, number)
        except NotKnown:
            continue
        found.append(Hit(kind, str(number), address_of(f"{kind}/{number}"), view.state))
    return found


async def _named(reads: Reads, who: Principal, query: str) -> list[Hit]:
    """The newest jobs and batches with this text in their names."""
    text = f'name~"{query}"'
    try:
        jobs: Page = await reads.jobs(who, JobFilter(query=text, limit=HITS_MAX))
        batches: Page = await reads.batches(who, BatchFilter(query=text, limit=HITS_MAX))
    except Refused:  # a quote in the words: no name can be asked for with it
        return []
    return [
        *(Hit("batch", str(each.id), f"/batches/{each.id}", each.name) for each in batches.items),
        *(Hit("job", str(each.id), f"/jobs/{each.id}", each.key) for each in jobs.items),
    ]
