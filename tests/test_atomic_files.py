"""Files are whole or absent, however many write them and wherever a writer is killed."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coarse_to_fine.atomic_files import (
    LONGEST_PAUSE_S,
    remove_leftovers,
    replacing,
    write_atomically,
    write_json_lines,
    write_tensors_atomically,
    write_text_atomically,
)
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.data_generation.tacos_cg.build import Built, write_captions
from coarse_to_fine.datasets.layout import write_annotations
from coarse_to_fine.encoders.check_values import write_check_values
from coarse_to_fine.encoders.load import encoder_folder, load_encoder
from coarse_to_fine.evaluation.html_report import write_html
from coarse_to_fine.evaluation.predictions import QueryPrediction, query_prediction, write_predictions
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.features.word_vectors import WordVectors
from coarse_to_fine.model_folders import save_trained
from coarse_to_fine.video.cut import complete_file

LEFTOVER = ".unfinished-0123456789abcdef.tmp"


def write_clip(path: Path) -> None:
    with complete_file(path) as unfinished:
        unfinished.write_bytes(b"pictures")


def save_vectors(path: Path) -> None:
    WordVectors({"ball": 0}, torch.ones(1, 3)).save(path)


def small_model() -> TMass:
    return TMass(TMassConfig(embed_dim=8, num_frames=4))


REPORT = Report("moments", "ours", "val", "truth", "predictions", 0, 0, ())
CHECKED = encoder_folder("tiny-world")

WRITERS: dict[str, tuple[int, Callable[[Path], object]]] = {
    "bytes": (1, lambda folder: write_atomically(folder / "a", b"new")),
    "text": (1, lambda folder: write_text_atomically(folder / "a", "new")),
    "tensors": (1, lambda folder: write_tensors_atomically(folder / "a", {"x": torch.ones(2)}, {})),
    "rows": (1, lambda folder: write_json_lines(folder / "a", [{"b": 1}])),
    "annotations": (3, lambda folder: write_annotations(folder, "val", [], [], name="x")),
    "captions": (1, lambda folder: write_captions(Built((), None, (), {}), folder / "a")),
    "clip": (1, lambda folder: write_clip(folder / "a")),
    "report": (1, lambda folder: REPORT.write_json(folder / "a")),
    "page": (1, lambda folder: write_html(folder / "a", REPORT)),
    "predictions": (1, lambda folder: write_predictions(folder / "a", [query_prediction("q", [("v", 1.0)])])),
    "word vectors": (1, lambda folder: save_vectors(folder / "a")),
    "trained model": (3, lambda folder: save_trained(small_model(), folder, {}, {})),
    "model with a card": (3, lambda folder: small_model().save_pretrained(folder)),
    "check values": (1, lambda folder: write_check_values(load_encoder(CHECKED), folder)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_content_is_synced_before_it_gets_its_name(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    plain_sync, plain_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        plain_sync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        events.append("rename")
        return plain_replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    files, write = WRITERS[writer]
    write(tmp_path)
    assert events == ["file", "rename", "folder"] * files
    assert len(list(tmp_path.iterdir())) == files


def test_many_threads_write_one_file_and_a_reader_sees_whole_ones(tmp_path: Path) -> None:
    path, failures = tmp_path / "a.txt", []
    contents = [str(number) * 20_000 for number in range(4)]
    write_text_atomically(path, contents[0])

    def write(content: str) -> None:
        try:
            for _ in range(20):
                write_text_atomically(path, content)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_text() in contents
    assert failures == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_an_error_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(RuntimeError, match="half-way"), replacing(path) as unfinished:
        unfinished.write_bytes(b"ne")
        raise RuntimeError("half-way")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({} if old is None else {"a": old})


def test_predictions_that_fail_halfway_leave_the_old_ones(tmp_path: Path) -> None:
    def rows() -> Iterator[QueryPrediction]:
        yield query_prediction("new", [("v", 1.0)])
        raise RuntimeError("no memory")

    path = tmp_path / "a.jsonl"
    write_predictions(path, [query_prediction("old", [("v", 1.0)])])
    old = path.read_text()
    with pytest.raises(RuntimeError, match="no memory"):
        write_predictions(path, rows())
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == {"a.jsonl": old}


def test_what_a_killed_writer_left_goes_with_the_next_write_once_it_is_old(tmp_path: Path) -> None:
    for name, age_s in ((LEFTOVER, LONGEST_PAUSE_S + 60), (LEFTOVER.replace("0", "f"), 60.0), ("mine.tmp", 1e6)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    write_atomically(tmp_path / "a", b"whole")
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", "mine.tmp", LEFTOVER.replace("0", "f")}


def test_who_is_alone_removes_all_leftovers_and_nothing_else(tmp_path: Path) -> None:
    for name in (LEFTOVER, "mine.tmp", ".hidden"):
        (tmp_path / name).write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"mine.tmp", ".hidden"}
    remove_leftovers(tmp_path / "absent")


def test_an_unwritable_place_is_named_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        write_atomically(tmp_path / "file" / "a", b"")
    assert caught.value.filename == str(tmp_path / "file" / "a")


def test_absent_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "absent" / "deeper" / "a", b"whole")
    assert (tmp_path / "absent" / "deeper" / "a").read_bytes() == b"whole"


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"whole")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"whole"]


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_files_get_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="named pipes are POSIX")
def test_what_is_no_file_is_written_to_in_its_place(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_text_atomically(pipe, "through")
    reader.join(10)
    assert read == [b"through"]
    assert pipe.is_fifo()


def test_tensors_come_with_hash_and_size(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sha256, size = write_tensors_atomically(path, {"x": torch.arange(6.0).view(2, 3).T}, {"format": "pt"})
    assert (sha256, size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert torch.equal(load_file(path)["x"], torch.arange(6.0).view(2, 3).T)


def written_anew(path: Path) -> None:
    """Put another file in place of the temporary one, as writers of other libraries do, for the owner alone."""
    path.unlink()
    path.write_bytes(b"new")
    path.chmod(0o600)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "a") as unfinished:
            written_anew(unfinished)
        save_trained(small_model(), tmp_path / "model", {}, {})
    finally:
        os.umask(before)
    files = [tmp_path / "a", *sorted((tmp_path / "model").iterdir())]
    assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in files} == {
        file.name: "0o644" for file in files
    }
