"""Receive files: limits of size and time apply before anything is stored, and nothing is written to disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

FIELD = "file"
FIELDS = 8
"""Fields that a form may have besides its file."""
LINGER = 2.0
"""Seconds for which a refused body is still received. A client that is cut off may not read the answer."""


class Problem(HTTPException):
    """A request is refused, with one sentence for the user."""


class Unread(Problem):
    """A request is refused before all of it is received."""


class _InMemory(MultiPartParser):
    spool_max_size = sys.maxsize
    """The body is limited, so no part needs a temporary file."""


class UnreadResponse(JSONResponse):
    """The answer to a request whose body is not received; it ends the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, receive and drop some of the body, then end the response."""
        self.headers["Connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b""})


async def received(request: Request, limit: int) -> bytes:
    """Return the content of the file in a request: the field `file` of a form, or the whole body.

    Raises:
        Problem: The file is too large or empty, or the form has no such field.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise Unread(413, f"the request has {int(length):,} bytes, more than {limit:,}")
    stream = _limited(request.stream(), limit)
    form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    content = await _of_form(request, stream) if form else b"".join([chunk async for chunk in stream])
    if not content:
        raise Problem(422, "the file is empty")
    return content


async def _limited(stream: AsyncIterator[bytes], limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise Unread(413, f"the request has more than {limit:,} bytes")
        yield chunk


async def _of_form(request: Request, stream: AsyncGenerator[bytes, None]) -> bytes:
    try:
        form = await _InMemory(request.headers, stream, max_files=1, max_fields=FIELDS).parse()
    except MultiPartException as error:
        raise Unread(400, f"the form cannot be read: {error.message.rstrip('.')}") from error
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        raise Problem(422, f"the form has no file in its field '{FIELD}'")
    return await file.read()
