"""The inference process: a small HTTP application around :class:`LocalInference`, on a Unix domain socket.

Its only callers are the HTTP workers of the same service, who have checked their requests already.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.cost.metering import LoopMeter
from gateway.document import TierName
from gateway.errors import CascadeError, InvalidRequest, TierUnavailable, UnknownTier
from gateway.http.disconnect import unless_disconnected
from gateway.inference import wire
from gateway.inference.base import Inference
from gateway.telemetry.logs import TRACE_PARENT
from gateway.telemetry.spans import TRACER, Tracer


def inference_app(inference: Inference, tracer: Tracer | None = None) -> Starlette:
    """An application that answers the calls of :class:`gateway.inference.remote.RemoteInference`. What it spends around
    the tiers is part of the work it reports."""
    meter = LoopMeter()
    account_with = getattr(inference, "account_with", None)
    if account_with is not None:
        account_with(meter)

    def epoch() -> dict[str, str]:
        return {} if inference.epoch is None else {wire.EPOCH_HEADER: inference.epoch}

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=epoch())

    async def status(request: Request) -> Response:
        return JSONResponse(wire.status_json(await inference.status(request.path_params["task"])), headers=epoch())

    async def propose(request: Request) -> Response:
        TRACE_PARENT.set(request.headers.get(wire.TRACE_HEADER))
        TRACER.set(tracer)
        meter.begin()
        try:
            return await measured(request)
        finally:
            meter.end()

    async def measured(request: Request) -> Response:
        task, tier = request.path_params["task"], _tier(request.path_params["tier"])
        try:
            call = wire.call_from_json(json.loads(await request.body()))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidRequest(f"malformed call ({type(error).__name__})") from error
        proposing = inference.propose(
            task,
            tier,
            call.documents,
            call.fields,
            deadline=call.deadline,
            version=call.version,
            most_before=call.most_before,
        )
        try:
            outputs = await unless_disconnected(request.receive, proposing)
        except ClientDisconnect:
            return Response(status_code=204)  # to nobody
        overhead = meter.take() / max(1, len(outputs))
        answer: dict[str, Any] = {"outputs": [wire.output_json(output, overhead) for output in outputs]}
        # ASCII JSON: spans of a text may hold what cannot be written as UTF-8.
        return Response(json.dumps(answer), media_type="application/json", headers=epoch())

    async def refuse(_request: Request, error: Exception) -> Response:
        known = error if isinstance(error, CascadeError) else TierUnavailable("the inference process failed")
        headers = epoch()
        retry_after = getattr(known, "retry_after", None)
        if retry_after is not None:
            headers[wire.RETRY_HEADER] = f"{retry_after:.3f}"
        return JSONResponse(known.as_json(), status_code=known.status, headers=headers)

    return Starlette(
        routes=[
            Route(wire.HEALTH_PATH, health),
            Route(wire.STATUS_PATH, status),
            Route(wire.PROPOSE_PATH, propose, methods=["POST"]),
        ],
        exception_handlers={CascadeError: refuse, Exception: refuse},
    )


def inference_server(
    inference: Inference, socket_path: Path, *, shutdown_timeout: int = 10, tracer: Tracer | None = None
) -> uvicorn.Server:
    """A server for :func:`inference_app`; the socket must lie in a directory that only this user can enter."""
    return uvicorn.Server(
        uvicorn.Config(
            inference_app(inference, tracer),
            uds=str(socket_path),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=shutdown_timeout,
            timeout_keep_alive=3600,
        )
    )


def _tier(name: str) -> TierName:
    for tier in get_args(TierName):
        if tier == name:
            known: TierName = tier
            return known
    raise UnknownTier(f"no tier {name[:100]!r}")
