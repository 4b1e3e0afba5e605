"""The worker protocol's two calls. Hot path: no framework between the socket and msgspec but routing."""

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from herder.api.replies import bearer, decode, problem, read_body
from herder.control.core import Core
from herder.control.errors import NotReady, Refused
from herder.control.exchange import activate, exchange, worker_of
from herder.ports.store import StoreDown
from herder.wire.exchange import ActivateRequest, ExchangeRequest

_encode = msgspec.json.Encoder().encode


def routes(core: Core, prefix: str) -> list[Route]:
    async def activation(request: Request) -> Response:
        try:
            body = decode(await read_body(request), ActivateRequest)
            answer = await activate(core, bearer(request), body)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return Response(_encode(answer), media_type="application/json")

    async def exchanging(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            body = decode(await read_body(request), ExchangeRequest)
            answer = await exchange(core, worker, body, lambda: _gone(request))
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        except ClientDisconnect:
            return Response(status_code=499)
        return Response(_encode(answer), media_type="application/json")

    return [
        Route(f"{prefix}/worker/activate", activation, methods=["POST"]),
        Route(f"{prefix}/worker/exchange", exchanging, methods=["POST"]),
    ]


async def _gone(request: Request) -> None:
    """Ends when the connection does."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
