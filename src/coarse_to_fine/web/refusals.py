"""What is answered where something is refused or missing: a small page to a person's browser, JSON to programs."""

from __future__ import annotations

import html
import json
from http import HTTPStatus
from pathlib import Path
from string import Template

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from coarse_to_fine.errors import CtfError, LibraryError, UserError, VideoError
from coarse_to_fine.hits.files import as_unicode

PAGE = Template((Path(__file__).parent / "refusal.html").read_text(encoding="utf-8"))


def add_refusals(app: FastAPI) -> None:
    """Answer errors of the package and HTTP errors with their reason."""

    async def of_package(request: Request, error: Exception) -> Response:
        return _refusal(request, _status(error), str(error))

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = _refusal(request, error.status_code, error.detail)
        answer.headers.update(error.headers or {})
        return answer

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # in ASCII, for what was asked need not be text
        found = json.dumps({"detail": jsonable_encoder(error.errors())})
        return Response(found, 422, media_type="application/json")

    app.add_exception_handler(CtfError, of_package)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)


def _status(error: Exception) -> int:
    if isinstance(error, LibraryError):
        return 503
    return 422 if isinstance(error, UserError) else 404 if isinstance(error, VideoError) else 409


def _refusal(request: Request, status: int, reason: str) -> Response:
    reason = as_unicode(reason)
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": reason}, status)
    title = HTTPStatus(status).phrase
    said = f"Nothing is at {request.url.path}." if reason == HTTPStatus.NOT_FOUND.phrase else reason
    return HTMLResponse(PAGE.substitute(title=title, reason=html.escape(said)), status)
