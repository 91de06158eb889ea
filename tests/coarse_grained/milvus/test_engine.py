"""Candidates from a real Milvus server that the tests start: those with the nearest frames."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from itertools import islice

import pytest
import torch

from coarse_to_fine.coarse_grained.base import unit
from coarse_to_fine.coarse_grained.candidates import CandidateConfig
from coarse_to_fine.coarse_grained.milvus import MilvusConfig, MilvusFrames
from coarse_to_fine.coarse_grained.milvus import engine as engine_module
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from coarse_to_fine.errors import LibraryError, UserError
from tests.coarse_grained.models import features, small_model
from tests.coarse_grained.test_candidates import gallery

pytest.importorskip("pymilvus", reason="needs the extra milvus")
pytest.importorskip("milvus_lite", reason="needs milvus-lite, a server in one process")

STARTING_SECONDS = 120


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server in a process of its own: its faiss must not meet torch's threads."""
    port = free_port()
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1", "--port", str(port)]
    folder = tmp_path_factory.mktemp("milvus")
    with subprocess.Popen([*command, "--data-dir", str(folder)], stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + STARTING_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline, "the server does not start"
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def engines(server):
    """engines("name", ...) -> an engine on a collection of that name."""
    opened = []

    def make(collection, **values):
        opened.append(MilvusFrames(MilvusConfig(address=server, collection=collection, **values)))
        return opened[-1]

    yield make
    for engine in opened:
        engine.close()


def found(engine, text, count):
    return [set(row) for row in engine.search(text, count).tolist()]


def nearest(text, frames, count):
    """The segments with the nearest frames, from all cosines."""
    cosines = torch.einsum("td,vfd->tvf", unit(text), unit(frames))
    return [set(row) for row in cosines.amax(dim=2).topk(count, dim=1).indices.tolist()]


@pytest.mark.parametrize(("index", "least"), [("FLAT", 0.99), ("HNSW", 0.95), ("AUTOINDEX", 0.95)])
def test_the_server_finds_what_the_exact_pass_finds(engines, index, least):
    text, frames = features(6, 500)
    engine = engines(f"exact_{index}", index=index)
    for part in (frames[:300], frames[300:]):
        engine.extend(part)
    assert len(engine) == 500
    kept = [len(ours & best) for ours, best in zip(found(engine, text, 40), nearest(text, frames, 40))]
    assert sum(kept) >= least * 40 * len(text)
    assert {len(row) for row in found(engine, text, 40)} == {40}


def test_a_ranking_over_the_server_is_the_ranking_without(engines):
    model = small_model("t-mass")
    text, frames = features(4, 300)
    config = CandidateConfig(from_segments=0, kept=60, fraction=0)
    ours = CoarseRetriever(model, gallery(frames), candidates=config, engine=engines("ranking", index="FLAT"))
    alone = CoarseRetriever(model, gallery(frames), candidates=config)
    for server_row, own_row in zip(ours.rank(text, top_videos=10), alone.rank(text, top_videos=10)):
        assert [video.video_id for video in server_row] == [video.video_id for video in own_row]
        assert [video.score for video in server_row] == pytest.approx([video.score for video in own_row], abs=1e-6)


def counted(engine, monkeypatch):
    """The rows that an engine sends from now on."""
    sent = []
    insert = engine._client.insert

    def counting(collection, rows, **rest):
        sent.append(len(rows))
        return insert(collection, rows, **rest)

    monkeypatch.setattr(engine._client, "insert", counting)
    return sent


def test_what_the_server_holds_is_not_sent_again(engines, monkeypatch):
    text, frames = features(3, 120)
    first = engines("kept")
    first.extend(frames[:80])
    first.extend(frames[80:])
    second = engines("kept")
    sent = counted(second, monkeypatch)
    second.extend(frames[80:])
    second.extend(frames[:80])
    assert sent == []
    shifted = [{(column + 40) % 120 for column in row} for row in found(first, text, 15)]
    assert found(second, text, 15) == shifted


def test_a_block_that_a_killed_writer_left_half_is_sent_whole(engines, monkeypatch):
    text, frames = features(3, 60)
    first = engines("half", rows_a_call=frames.shape[1] * 10)
    whole = engine_module._rows
    with monkeypatch.context() as killed:
        killed.setattr(engine_module, "_rows", lambda *given: islice(whole(*given), 3))
        first.extend(frames)
    assert first._held(first._names[0]) == 30 * frames.shape[1]
    second = engines("half")
    second.extend(frames)
    assert found(second, text, 60) == [set(range(60))] * 3
    kept = [len(ours & best) for ours, best in zip(found(second, text, 20), nearest(text, frames, 20))]
    assert min(kept) >= 19


def test_columns_of_another_gallery_are_never_found(engines):
    text, frames = features(2, 90)
    engine = engines("changing")
    engine.extend(frames[:50])
    assert engine.search(text, 50).shape == (2, 50)
    engine.clear()
    assert engine.search(text, 10).shape == (2, 0)
    engine.extend(frames[50:])
    assert found(engine, text, 99) == [set(range(40))] * 2


def test_mistakes_are_one_line(engines, server):
    engine = engines("narrow")
    engine.extend(torch.randn(3, 4, 8))
    with pytest.raises(UserError, match="expected 4"):
        engine.extend(torch.randn(3, 5, 8))
    with pytest.raises(LibraryError, match="collection narrow"):
        engines("narrow").extend(torch.randn(3, 4, 16))
    with pytest.raises(LibraryError, match="expected one that answers"):
        MilvusFrames(MilvusConfig(address=f"http://127.0.0.1:{free_port()}", timeout_s=1))
