"""The worker protocol's two calls. Hot path: no framework between the socket and msgspec but routing."""

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from herder.api.bodies import ACTIVATION_BYTES_MAX, EXCHANGE_BYTES_MAX, give_back, read_body
from herder.api.replies import bearer, decode, problem
from herder.control.core import Core
from herder.control.errors import Refused
from herder.control.exchange import activate, exchange, invited, worker_of
from herder.control.standing import trust
from herder.wire.exchange import ActivateRequest, ExchangeRequest

_encode = msgspec.json.Encoder().encode


def routes(core: Core, prefix: str) -> list[Route]:
    async def activation(request: Request) -> Response:
        try:
            token = bearer(request)
            trust(request.scope, f"worker/{invited(core, token).spec.name}")
            body = decode(await read_body(request, ACTIVATION_BYTES_MAX), ActivateRequest)
            answer = await activate(core, token, body)
        except Refused as refused:
            return problem(refused)
        return Response(_encode(answer), media_type="application/json")

    async def exchanging(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            trust(request.scope, f"worker/{worker.spec.name}")
            body = decode(await read_body(request, EXCHANGE_BYTES_MAX), ExchangeRequest)
            give_back(request)  # the call may be held open for long
            answer = await exchange(core, worker, body, lambda: _gone(request))
        except Refused as refused:
            return problem(refused)
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
