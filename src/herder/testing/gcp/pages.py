"""Lists in pages: flat, by zone, and of prices. A page token is a place in the list, and expires."""

from collections.abc import Mapping

from herder.testing.gcp.errors import ApiError
from herder.testing.gcp.reads import filtered
from herder.testing.gcp.state import LINK, Json, State

ROWS_MAX = 500


class Pages:
    def __init__(self, state: State) -> None:
        self._state = state
        self.rows_max = ROWS_MAX
        """At most so many rows are in a page, whatever is asked for."""

    def flat(self, kind: str, rows: list[Json], query: Mapping[str, str]) -> Json:
        rows, token = self._page(filtered(rows, query.get("filter", "")), query, "maxResults")
        answer: Json = {
            "kind": kind,
            "id": self._state.path,
            "items": rows,
            "selfLink": f"{LINK}/{self._state.path}",
        }
        return answer | ({"nextPageToken": token} if token else {})

    def aggregated(
        self, name: str, kind: str, rows: list[tuple[str, Json]], query: Mapping[str, str]
    ) -> Json:
        """`rows`: with their zones."""
        away = self._state.unreachable
        zones = {row["selfLink"]: zone for zone, row in rows}
        kept = filtered([row for zone, row in rows if zone not in away], query.get("filter", ""))
        kept, token = self._page(kept, query, "maxResults")
        items: Json = {}
        for zone in self._state.zones:
            own = [row for row in kept if zones[row["selfLink"]] == zone]
            code = "UNREACHABLE" if zone in away else "NO_RESULTS_ON_PAGE"
            warning = {"warning": {"code": code, "message": f"{code} in scope 'zones/{zone}'."}}
            items[f"zones/{zone}"] = {name: own} if own else warning
        answer: Json = {"kind": kind, "id": self._state.path, "items": items}
        if away:
            answer["unreachables"] = [f"{self._state.path}/zones/{zone}" for zone in sorted(away)]
        return answer | ({"nextPageToken": token} if token else {})

    def skus(self, rows: list[Json], query: Mapping[str, str]) -> Json:
        rows, token = self._page(rows, query, "pageSize")
        return {"skus": rows, "nextPageToken": token}

    def _page(self, rows: list[Json], query: Mapping[str, str], size_name: str) -> tuple[list[Json], str]:
        size = min(self.rows_max, int(query.get(size_name, "500")))
        start = self._start(query.get("pageToken", ""))
        more = start + size < len(rows)
        return rows[start : start + size], f"p-{start + size}-{self._state.now_ms}" if more else ""

    def _start(self, token: str) -> int:
        if not token:
            return 0
        mark, _, rest = token.partition("-")
        place, _, at_ms = rest.partition("-")
        valid = mark == "p" and place.isdecimal() and at_ms.isdecimal()
        if not valid or self._state.now_ms - int(at_ms) > self._state.times.page_token_ms:
            raise ApiError(
                400,
                "invalid",
                f"Invalid value for field 'pageToken': '{token}'. The page token is invalid or has expired.",
            )
        return int(place)
