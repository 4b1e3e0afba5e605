"""The way from a server to the API of a cluster: a transport for httpx that loses, delays and refuses requests, as networks do.

What the API itself does wrong (restarts, watches that fall silent, versions that are gone) is drawn in `faults/cluster_mishaps.py`.
"""

import asyncio
from collections.abc import Callable

import httpx

from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import CLUSTER_CALL_FAULTS, JOBS_CALL_FAULTS, Fault

#: Longer than anybody waits for an answer.
LOST_S = 600.0
LATE_S = (1.0, 45.0)


class ClusterWire(httpx.AsyncBaseTransport):
    def __init__(
        self, api: httpx.AsyncBaseTransport, dice: Dice, told: Callable[[str, str], None], odds: float
    ) -> None:
        """`told`: of each request that reaches the API, method and path."""
        self._api, self._dice, self._told, self._odds = api, dice, told, odds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._dice.fault("cluster", request.method, self._odds, CLUSTER_CALL_FAULTS)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        if fault is Fault.REQUEST_LOST:
            await asyncio.sleep(LOST_S)
            raise httpx.ReadError("lost", request=request)
        if fault is Fault.LATE:
            await asyncio.sleep(self._dice.of("cluster delays").uniform(*LATE_S))
        self._told(request.method, request.url.path)
        answer = await self._api.handle_async_request(request)
        if fault is Fault.ANSWER_LOST:
            await answer.aclose()
            raise httpx.ReadError("the answer was lost", request=request)
        return answer


class SyncClusterWire(httpx.BaseTransport):
    """The same for the driver of Jobs, in whose calls no time passes: `calls.py` draws how long they take as a whole."""

    def __init__(self, api: httpx.BaseTransport, dice: Dice, odds: float) -> None:
        self._api, self._dice, self._odds = api, dice, odds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._dice.fault("jobs", request.method, self._odds, JOBS_CALL_FAULTS)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        if fault is Fault.REQUEST_LOST:
            raise httpx.ReadTimeout("lost", request=request)
        answer = self._api.handle_request(request)
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadError("the answer was lost", request=request)
        return answer
