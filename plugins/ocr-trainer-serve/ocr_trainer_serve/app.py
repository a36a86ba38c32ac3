"""The HTTP interface: `/v1/read`, the web page, health, metrics, and the OpenAPI schema."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import ocr_trainer_runtime as ocr
from ocr_trainer_serve import metrics, page, schemas
from ocr_trainer_serve.headers import SafeHeaders
from ocr_trainer_serve.pool import Busy, Crashed, Pool
from ocr_trainer_serve.settings import Settings
from ocr_trainer_serve.uploads import FIELD, Problem, Unread, UnreadResponse, received


def _known(name: str) -> str:
    """Return the name of a format; raise ValueError if it does not exist."""
    if name not in ocr.FORMATS:
        raise ValueError(f"must be one of {', '.join(ocr.FORMATS)}")
    return name


Format = Annotated[
    str,
    AfterValidator(_known),
    Query(description="Format of the answer.", json_schema_extra={"enum": list(ocr.FORMATS)}),
]
RETRY_AFTER = 2
"""Seconds after which a client may try again when the queue is full."""
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "format": "binary"}},
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The form cannot be read."},
    408: {"description": "The request did not arrive in time."},
    413: {"description": "Too many bytes, pixels or pages."},
    415: {"description": "The file is neither an image nor a PDF."},
    422: {"description": "The file is damaged, or an option does not exist."},
    500: {"description": "The service failed on this file."},
    503: {"description": "Too many requests are in progress; `Retry-After` says when to try again."},
    504: {"description": "Reading took too long and was stopped."},
}


def create_app(settings: Settings, pool: Pool, measured: metrics.Metrics) -> FastAPI:
    """Return the application around a pool of workers."""
    app = FastAPI(
        title="ocr-serve",
        summary="Finds and reads the text of images and PDFs.",
        version=version("ocr-trainer-serve"),
        docs_url=None,  # FastAPI's pages load scripts from other sites
        redoc_url=None,
        exception_handlers={HTTPException: _problem, RequestValidationError: _invalid, Exception: _failed},
    )
    if hosts := settings.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(SafeHeaders)
    _add_reading(app, settings, pool, measured)
    _add_pages(app, settings, pool, measured)
    return app


def _add_reading(app: FastAPI, settings: Settings, pool: Pool, measured: metrics.Metrics) -> None:
    @app.post(
        "/v1/read",
        summary="Read an image, a PDF or a TIFF with several pages.",
        response_model=schemas.Answer,
        responses={code: {"model": schemas.Problem, **told} for code, told in PROBLEMS.items()},
        openapi_extra={"requestBody": BODY},
    )
    async def read(
        request: Request,
        format: Format = "json",
        dpi: Annotated[float, Query(ge=50, le=600, description="Resolution of the pages of PDFs.")] = 300,
        preview: Annotated[bool, Query(description="With `json`: add a JPEG of each page.")] = False,
    ) -> Response:
        begin, status = time.perf_counter(), 500
        job = {"format": format, "dpi": dpi, "preview": preview}
        try:
            head, content = await _read(request, settings, pool, job)
            status = head["status"]
            if status != 200:
                raise Problem(status, head["detail"])
            measured.reading.observe(head["seconds"])
            measured.pages.inc(head["pages"])
            measured.words.inc(head["words"])
            name = {"Content-Disposition": f'inline; filename="page{head["suffix"]}"'}
            return Response(content, media_type=head["media_type"], headers=name)
        except HTTPException as problem:
            status = problem.status_code
            raise
        finally:
            measured.requests.labels(status).inc()
            measured.seconds.observe(time.perf_counter() - begin)


async def _read(
    request: Request, settings: Settings, pool: Pool, job: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Receive a file and have a worker read it, within the limits of requests and time."""
    content: bytes | None = None
    try:
        with pool.slot():
            async with asyncio.timeout(settings.timeout):
                content = await received(request, settings.max_bytes)
                return await pool.read(job, content)
    except Busy:
        waiting = f"{settings.slots} requests are already in progress: try again later"
        raise Unread(503, waiting, {"Retry-After": str(RETRY_AFTER)}) from None
    except TimeoutError:
        if content is None:
            raise Unread(408, f"the request did not arrive within {settings.timeout:g} s") from None
        raise Problem(504, f"the file was not read within {settings.timeout:g} s") from None
    except Crashed:
        raise Problem(500, "the service failed on this file") from None


def _add_pages(app: FastAPI, settings: Settings, pool: Pool, measured: metrics.Metrics) -> None:
    shown = page.Page(settings, ocr.FORMATS)

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return Response(shown.content, media_type="text/html", headers=shown.headers)

    @app.get("/healthz", summary="Whether the service runs.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether a worker has loaded its models.", responses={503: PROBLEMS[503]})
    async def readyz() -> Response:
        return JSONResponse({"status": "ready" if pool.ready else "starting"}, 200 if pool.ready else 503)

    @app.get("/metrics", summary="Metrics for Prometheus.")
    async def show_metrics() -> Response:
        return Response(measured.text(), media_type=metrics.CONTENT_TYPE)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = UnreadResponse if isinstance(error, Unread) else JSONResponse
    return response({"detail": error.detail}, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Sequence[Any] = error.errors()
    where, why = first[0]["loc"][-1], first[0]["msg"].removeprefix("Value error, ")
    return UnreadResponse({"detail": f"{where}: {why[:1].lower()}{why[1:]}"}, 422)


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the service failed; its log has the reason"}, 500)
