"""`ctf serve`: the web page."""

from __future__ import annotations

import secrets
import socket
from typing import Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import (
    CoarseOption,
    DeviceOption,
    FineOption,
    FusionOption,
    LibraryOption,
    find_library,
    stored_fusion,
)
from coarse_to_fine.errors import UserError

WAITING_CONNECTIONS = 2048


def serve(
    library: LibraryOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need the printed token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
    coarse: CoarseOption = None,
    fine: FineOption = None,
    fusion: FusionOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Serve the web page of a library: search, watch the moments, add folders.

    Examples:

      ctf serve --library videos.ctf

      ctf serve --library videos.ctf --port 9000
    """
    try:
        import uvicorn

        from coarse_to_fine.web import create_app
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed; the page needs it; run: pip install 'coarse-to-fine[web]'"
        ) from None
    from coarse_to_fine.main_pipeline import Pipeline
    from coarse_to_fine.web.security import is_loopback

    pipeline = Pipeline.load(find_library(library), coarse, fine, device, stored_fusion(fusion))
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    app = create_app(pipeline, hosts=frozenset() if token is None else None, token=token)
    with listening(host, port) as own:
        address = f"http://{f'[{host}]' if ':' in host else host}:{own.getsockname()[1]}/"
        typer.echo(f"{address}{f'?token={token}' if token else ''}")
        output.warn("serving; stop with Ctrl-C")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[own])


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        UserError: no such address on this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=WAITING_CONNECTIONS)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port} ({error.strerror}); expected an address of this machine and a free "
            "port; choose another --host or --port, 0 for any free one"
        ) from error
