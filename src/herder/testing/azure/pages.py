"""Lists in pages. The address of the next page is a place in the list, and expires."""

from collections.abc import Mapping
from urllib.parse import urlencode

from herder.testing.azure.errors import ApiError
from herder.testing.azure.state import Json, State

TOKEN = "$skiptoken"
PRICES_MAX = 100


class Pages:
    def __init__(self, state: State) -> None:
        self._state = state
        self.rows_max = 500

    def listed(self, rows: list[Json], path: str, query: Mapping[str, str]) -> Json:
        start = self._start(query.get(TOKEN, ""))
        end = start + self.rows_max
        answer: Json = {"value": rows[start:end]}
        if end < len(rows):
            more = {**query, TOKEN: f"p-{end}-{self._state.now_ms}"}
            answer["nextLink"] = f"https://management.azure.com{path}?{urlencode(more)}"
        return answer

    def prices(self, path: str, query: Mapping[str, str]) -> Json:
        terms = [each.partition(" eq ") for each in query.get("$filter", "").split(" and ")]
        wanted = {
            name.strip().replace("priceType", "type"): value.strip("' ") for name, _, value in terms if name
        }
        rows = [
            row
            for row in self._state.inventory.retail
            if all(str(row.get(name, "")) == value for name, value in wanted.items())
        ]
        start = int(query.get("$skip", "0"))
        end = start + min(PRICES_MAX, self.rows_max)
        more = urlencode({**query, "$skip": str(end)})
        return {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": rows[start:end],
            "NextPageLink": f"https://prices.azure.com{path}?{more}" if end < len(rows) else None,
            "Count": len(rows[start:end]),
        }

    def _start(self, token: str) -> int:
        if not token:
            return 0
        _, _, rest = token.partition("-")
        place, _, at_ms = rest.partition("-")
        valid = token.startswith("p-") and place.isdecimal() and at_ms.isdecimal()
        if not valid or self._state.now_ms - int(at_ms) > self._state.times.page_token_ms:
            raise ApiError(400, "InvalidSkipToken", "The skipToken in the request is invalid or has expired.")
        return int(place)
