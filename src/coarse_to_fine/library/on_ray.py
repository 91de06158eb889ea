"""Indexing on a Ray cluster: files are decoded and encoded in tasks anywhere, and stored here (extra `ray`).

The machines see the files under the same paths and have this package. A task indexes one file by the code of this
process; one that dies with its worker or machine is given to another.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.errors import UserError
from coarse_to_fine.features.pictures import LOOKAHEAD
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.library.indexing import Indexed, index_here
from coarse_to_fine.library.planning import Work

THIS_MACHINE = "local"
"""The address that starts Ray here, for as long as the indexing takes."""
CONNECT_SECONDS = 10.0
RETRIES = 3
"""How often a file is tried again whose worker died."""

_towers: dict[str, ImageTextEncoder] = {}
"""The encoder of a worker process, by its fingerprint; kept from task to task."""


def index_on_ray(
    work: Sequence[Work], encoder: ImageTextEncoder, sampling: Sampling, *, address: str, workers: int = 2
) -> Generator[Indexed, None, None]:
    """An indexer (see `Indexer`) whose files are read by the workers of a cluster.

    Args:
        work, encoder, sampling: as for every indexer.
        address: of the cluster, `auto` for the one that runs here, `local` for a new one on this machine.
        workers: processes of a new one.

    Raises:
        UserError: the extra is not installed, or there is no cluster.
    """
    with connected(address, workers) as ray:
        tower = [ray.put(encoder)]  # in a list it stays a reference, which each worker follows once
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_index_file)
        most = LOOKAHEAD + int(ray.cluster_resources().get("CPU", workers))
        waiting: deque[tuple[int, Any]] = deque()
        for index, one in enumerate(work):
            waiting.append((index, task.remote(one, tower, encoder.fingerprint, sampling)))
            if len(waiting) >= most:
                yield _result(ray, *waiting.popleft())
        while waiting:
            yield _result(ray, *waiting.popleft())


def _index_file(work: Work, tower: Sequence[Any], fingerprint: str, sampling: Sampling) -> Indexed:
    """Runs in a worker."""
    if fingerprint not in _towers:
        import ray

        _towers[fingerprint] = ray.get(tower[0])
    (result,) = index_here([work], _towers[fingerprint], sampling)
    return result


def _result(ray: Any, index: int, reference: Any) -> Indexed:
    try:
        result: Indexed = ray.get(reference)
        return replace(result, index=index)
    except ray.exceptions.RayError as error:
        reason = (
            f"{type(error).__name__} after {1 + RETRIES} tries: its worker ended; run again, or index it without Ray"
        )
        return Indexed(index, None, reason)


@contextmanager
def connected(address: str, workers: int) -> Iterator[Any]:
    """Ray, connected to a cluster; a connection that was there already is used and kept.

    Args:
        address: of the cluster, `auto` for the one that runs here, `local` for a new one on this machine.
        workers: processes of a new one.

    Raises:
        UserError: the extra is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"ray cannot be imported ({error}); expected the extra; pip install 'coarse-to-fine[ray]'"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == THIS_MACHINE else {}
    try:
        _require_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray raises the bare class where a node does not start in time
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"no Ray cluster at {address!r} ({reason}); expected HOST:PORT, ray://HOST:PORT, auto or local; start one"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Try a host and port for a moment; Ray itself would try for minutes.

    Raises:
        OSError: nobody answers.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
