"""`ctf serve`: the web page."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import CoarseOption, DeviceOption, FineOption, LibraryOption, find_library


def serve(
    library: LibraryOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need the printed token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
    coarse: CoarseOption = None,
    fine: FineOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Serve the web page of a library: search, watch the moments, add folders.

    Examples:

      ctf serve --library videos.ctf

      ctf serve --library videos.ctf --port 9000
    """
    from coarse_to_fine.errors import UserError

    try:
        import uvicorn

        from coarse_to_fine.web import create_app
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed; the page needs it; run: pip install 'coarse-to-fine[web]'"
        ) from None
    from coarse_to_fine.main_pipeline import Pipeline
    from coarse_to_fine.web.security import is_loopback

    pipeline = Pipeline.load(find_library(library), coarse=coarse, fine=fine, device=device)
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    app = create_app(pipeline, hosts=frozenset() if token is None else None, token=token)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    address = f"http://{host}:{socket.getsockname()[1]}/"
    typer.echo(f"{address}{f'?token={token}' if token else ''}")
    output.warn("serving; stop with Ctrl-C")
    server.run(sockets=[socket])
