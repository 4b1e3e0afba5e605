"""Routes of the worker protocol. Hot path: only routing and msgspec between the socket and `control/`."""

from typing import Any

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.routing import Route

from herder.api.http.bodies import ACTIVATION_BYTES_MAX, EXCHANGE_BYTES_MAX, give_back, read_body
from herder.api.http.replies import bearer, decode, path_number, problem
from herder.control.access.known_caller import trust
from herder.control.kernel.bounds.errors import NotReady, Refused
from herder.control.kernel.core import Core
from herder.control.workers.data import data_of
from herder.control.workers.exchange import activate, exchange, inputs_of, invited, worker_of
from herder.control.workers.joining import guest, join
from herder.control.workers.secrets import secrets_of
from herder.ports.store import StoreDown
from herder.wire.data import DataRequest
from herder.wire.worker.exchange import ActivateRequest, ExchangeRequest, JoinRequest
from herder.wire.worker.reporting import read_report

_encode = msgspec.json.Encoder().encode


def routes(core: Core, prefix: str) -> list[Route]:
    """The calls that workers make again and again."""

    async def activation(request: Request) -> Response:
        try:
            token = bearer(request)
            trust(request.scope, f"worker/{invited(core, token).spec.name}")
            body = decode(await read_body(request, ACTIVATION_BYTES_MAX), ActivateRequest)
            answer = await activate(core, token, body)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return Response(_encode(answer), media_type="application/json")

    async def exchanging(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            trust(request.scope, f"worker/{worker.spec.name}")
            report, refusals = _report(await read_body(request, EXCHANGE_BYTES_MAX))
            give_back(request)  # the call may be held open for long
            answer = await exchange(core, worker, report, lambda: _gone(request), refusals)
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


def join_route(core: Core, prefix: str) -> Route:
    """Called once by a machine that people added by hand."""

    async def joining(request: Request) -> Response:
        try:
            token = bearer(request)
            guest(core, token)
            body = decode(await read_body(request, ACTIVATION_BYTES_MAX), JoinRequest)
            answer = await join(core, token, body)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return Response(_encode(answer), media_type="application/json")

    return Route(f"{prefix}/worker/join", joining, methods=["POST"])


def inputs_route(core: Core, prefix: str) -> Route:
    """What is too large for an exchange: streamed from the store in pieces."""

    async def inputs(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            job, attempt = path_number(request, "job"), path_number(request, "attempt")
            pieces = inputs_of(core, worker, job, attempt)
        except Refused as refused:
            return problem(refused)
        return StreamingResponse(pieces, media_type="application/json")

    return Route(f"{prefix}/worker/attempts/{{job}}/{{attempt}}/inputs", inputs, methods=["GET"])


def data_route(core: Core, prefix: str) -> Route:
    """Signed URLs for inputs and outputs, and the manifest of outputs."""

    async def data(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            trust(request.scope, f"worker/{worker.spec.name}")
            job, attempt = path_number(request, "job"), path_number(request, "attempt")
            asked = decode(await read_body(request, EXCHANGE_BYTES_MAX), DataRequest)
            give_back(request)  # a store may take its time
            answer = await data_of(core, worker, job, attempt, asked)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return Response(_encode(answer), media_type="application/json")

    return Route(f"{prefix}/worker/attempts/{{job}}/{{attempt}}/data", data, methods=["POST"])


def secrets_route(core: Core, prefix: str) -> Route:
    """What must not travel in an exchange: asked for once by each attempt that uses secrets."""

    async def secrets(request: Request) -> Response:
        try:
            worker = worker_of(core, bearer(request))
            job, attempt = path_number(request, "job"), path_number(request, "attempt")
            answer = await secrets_of(core, worker, job, attempt)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return Response(_encode(answer), media_type="application/json", headers={"cache-control": "no-store"})

    return Route(f"{prefix}/worker/attempts/{{job}}/{{attempt}}/secrets", secrets, methods=["GET"])


def _report(body: bytes | bytearray) -> tuple[ExchangeRequest, Any]:
    """Raises Invalid."""
    try:
        return read_report(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return decode(body, ExchangeRequest), ()  # which says what is wrong with it


async def _gone(request: Request) -> None:
    """Ends when the connection does."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
