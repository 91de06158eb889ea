"""Who may talk to the server: the page itself and whoever holds the token, nobody through somebody else's page."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "ctf_token"
LONGEST_TARGET = 8192
LONGEST_BODY = 16384
HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a bind address or host name means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses foreign host names (DNS rebinding), requests from other sites, missing tokens and oversized requests.

    Args:
        app: what is guarded.
        hosts: allowed names in the Host header besides loopback names, without port; None allows all (with a token).
        token: needed in `Authorization: Bearer`, the `token` parameter of the first page, or the cookie that it sets.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None = frozenset(), token: str | None = None) -> None:
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await PlainTextResponse(refusal[1], refusal[0])(scope, receive, send)
            return
        await self._app(scope, receive, self._with_headers(scope, send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
            return 414, "the address is too long"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY or "transfer-encoding" in headers:
            return 413, f"the request is too large; expected at most {LONGEST_BODY} bytes"
        host = headers.get("host", "").rsplit("]", 1)
        name = host[0].strip("[") if len(host) == 2 else host[0].split(":")[0]
        if self._hosts is not None and name.lower() not in self._hosts and not is_loopback(name):
            return 403, "this name is not allowed; start the server with --host for it"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _opens_page(scope, headers):
            return 403, "requests from other sites are refused"
        origin = headers.get("origin")
        if origin is not None and origin.split("://")[-1] != headers.get("host"):
            return 403, "requests from other sites are refused"
        if self._token is not None and not self._knows_token(scope, headers):
            return 401, "a token is needed: open the address that `ctf serve` printed"
        return None

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        given = [headers.get("authorization", "").removeprefix("Bearer "), _query_token(scope)]
        given += [cookie.value] if cookie else []
        return any(hmac.compare_digest(one.encode(), str(self._token).encode()) for one in given if one)

    def _with_headers(self, scope: Scope, send: Send) -> Callable[..., Awaitable[None]]:
        async def wrapped(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])  # type: ignore[call-overload]
                headers += list(HEADERS.items())
                if self._token is not None and _query_token(scope):
                    value = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                    headers.append((b"set-cookie", value.encode()))
                message = {**message, "headers": headers}
            await send(message)

        return wrapped


def _opens_page(scope: Scope, headers: dict[str, str]) -> bool:
    """A link on another site may open the page itself; nothing else."""
    return scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"


def _query_token(scope: Scope) -> str:
    pairs = (pair.split("=", 1) for pair in scope["query_string"].decode("latin-1").split("&") if "=" in pair)
    return next((value for name, value in pairs if name == "token"), "")
