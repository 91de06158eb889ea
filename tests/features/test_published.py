"""Published feature files: every layout is read, whatever cannot be used is refused with what is wrong."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from coarse_to_fine.config import parse_config
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.features.published.arrays import check_row_count, checked_rows
from coarse_to_fine.features.published.config import PublishedFeatures, Stream, Texts
from coarse_to_fine.features.published.files import Form, open_files
from coarse_to_fine.features.published.names import array_name, written_stem
from coarse_to_fine.features.published.texts import PublishedTexts, named_queries
from coarse_to_fine.features.published.videos import PublishedVideos, normalised
from tests.features.published_files import Videos, rows, write_form, write_hdf5, write_npy, write_npz, write_pt
from tests.features.test_extract import query

ODD_IDS = ["-starts_with_dash", "..", ".", "a/b", "../../escape", "a%2Fb", "50%", "ünï 视频", "x" * 190, "two..dots"]


def one_stream(form, path, **options):
    stream = Stream(name="clip", form=form, path=str(path), **options)
    return PublishedVideos(PublishedFeatures(streams=(stream,)))


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_form_and_float_type_is_read(tmp_path, form, dtype):
    arrays = {"v0": rows(0, 5, 8, dtype), "v1": rows(1, 3, 8, dtype)}
    videos = one_stream(form, write_form(form, tmp_path / "set", arrays), width=8)
    assert videos.absent(["v0", "v2", "v1"]) == ["v2"]
    assert videos.video_ids() == ["v0", "v1"]
    for name, array in arrays.items():
        found = videos.read(name, 2.0 * len(array))
        assert found.rows.dtype == torch.float32
        np.testing.assert_array_equal(found.rows, array.astype(np.float32))
        assert (found.step_s, found.end_s, found.notes) == (2.0, 2.0 * len(array), ())


@pytest.mark.parametrize("form", get_args(Form))
def test_a_squeezed_row_is_one_row_only_of_the_declared_width(tmp_path, form):
    place = write_form(form, tmp_path / "set", {"v0": rows(0, 1, 8)[0]})
    assert one_stream(form, place, width=8).read("v0", 2.0).rows.shape == (1, 8)
    for width in (7, None):
        with pytest.raises(DataError, match=r"shape \(8,\)"):
            one_stream(form, place, width=width).read("v0", 2.0)


def test_big_endian_and_bfloat16_are_read(tmp_path):
    write_npy(tmp_path / "a" / "v.npy", rows(0, 3, 4).astype(">f4"))
    np.testing.assert_array_equal(one_stream("npy", tmp_path / "a").read("v", 6.0).rows, rows(0, 3, 4))
    write_pt(tmp_path / "b" / "v.pt", {"features": torch.ones(3, 4, dtype=torch.bfloat16), "fps": 2})
    assert one_stream("pt", tmp_path / "b").read("v", 6.0).rows.shape == (3, 4)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.ones((3, 7), np.float32), "expected rows of the declared width 8"),
        (np.ones((3, 2, 8), np.float32), r"expected \(rows, width\)"),
        (np.ones((3, 8), np.int64), "holds int64 values"),
        (np.ones((0, 8), np.float32), "at least one row"),
        (np.full((3, 8), np.nan, np.float32), "24 values that are not finite, the first in row 0"),
        (np.full((3, 8), 1e300), "not finite"),
        (np.float32(3), r"shape \(\)"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(array, problem):
    with pytest.raises(DataError, match=problem) as caught:
        checked_rows(np.asarray(array), "v.npy", 8)
    assert "v.npy" in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_key_lists_the_keys(tmp_path):
    write_npz(tmp_path / "v.npz", features=rows(0, 3, 8), times=np.arange(3.0))
    with pytest.raises(DataError, match="has the keys features, times; expected the key 'feature'"):
        one_stream("npz", tmp_path, key="feature").read("v", 6.0)
    with pytest.raises(DataError, match="has the keys features, times; expected one array"):
        one_stream("npz", tmp_path).read("v", 6.0)
    assert one_stream("npz", tmp_path, key="features").read("v", 6.0).rows.shape == (3, 8)


class _Touch:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mknod, (self.path,)


@pytest.mark.parametrize("form", ["npz", "npy", "pt"])
def test_no_pickled_object_is_run(tmp_path, form):
    proof = tmp_path / "ran"
    objects = np.array([_Touch(proof)], dtype=object)
    if form == "npz":
        write_npz(tmp_path / "v.npz", features=objects)
    elif form == "npy":
        write_npy(tmp_path / "v.npy", objects)
    else:
        write_pt(tmp_path / "v.pt", {"features": _Touch(proof)})
    with pytest.raises(DataError, match="without pickled objects"):
        one_stream(form, tmp_path).read("v", 6.0)
    assert not proof.exists()


@pytest.mark.parametrize("form", ["npz", "npy", "pt", "hdf5"])
@pytest.mark.parametrize("content", [b"", b"no feature file", None])
def test_a_damaged_file_is_named(tmp_path, form, content):
    arrays = {"v": rows(0, 400, 8)}
    place = write_form(form, tmp_path / "set", arrays)
    path = place if form == "hdf5" else place / f"v.{form}"
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(DataError, match="v" if form != "hdf5" else "hdf5") as caught:
        one_stream(form, place).read("v", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["npz", "npy", "pt"])
@pytest.mark.parametrize("item_id", ODD_IDS)
def test_an_id_is_one_name_and_never_a_path(tmp_path, form, item_id):
    outside = tmp_path / "top" / "set"
    outside.mkdir(parents=True)
    for path in (tmp_path / "escape", tmp_path / "top" / "escape"):
        write_form(form, path.parent, {path.name: rows(9, 2, 4)})
    videos = one_stream(form, outside)
    assert videos.absent([item_id]) == [item_id]
    write_form(form, outside, {written_stem(item_id): rows(0, 2, 4)})
    assert [path.parent for path in outside.iterdir()] == [outside]
    np.testing.assert_array_equal(videos.read(item_id, 4.0).rows, rows(0, 2, 4))


def test_ids_in_plain_and_percent_encoded_files_are_told_apart(tmp_path):
    write_npy(tmp_path / "a%2Fb.npy", rows(0, 2, 4))
    write_npy(tmp_path / "a%252Fb.npy", rows(1, 2, 4))
    videos = one_stream("npy", tmp_path)
    np.testing.assert_array_equal(videos.read("a/b", 4.0).rows, rows(0, 2, 4))
    np.testing.assert_array_equal(videos.read("a%2Fb", 4.0).rows, rows(1, 2, 4))


def test_hdf5_links_do_not_lead_into_other_files(tmp_path):
    write_hdf5(tmp_path / "other.hdf5", {"v": rows(0, 2, 4)})
    write_hdf5(tmp_path / "set.hdf5", {"own": rows(1, 2, 4)})
    with h5py.File(tmp_path / "set.hdf5", "a") as file:
        file["v"] = h5py.ExternalLink("other.hdf5", "/v")
        file["soft"] = h5py.SoftLink("/own")
        layout = h5py.VirtualLayout((2, 4), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.hdf5"), "v", (2, 4))
        file.create_virtual_dataset("virtual", layout)
        file.create_group("group")
    videos = one_stream("hdf5", tmp_path / "set.hdf5")
    assert videos.absent(["v", "own", "group", "", "soft", "."]) == ["v", "group", "", "."]
    with pytest.raises(DataError, match="values in other files"):
        videos.read("virtual", 4.0)


# --- rows against time (case 16) and against each other (case 17)


@pytest.mark.parametrize(("rows_", "duration", "difference"), [(75, 150, 0), (76, 150, 1), (73, 150, -2), (16, 31, 0)])
def test_two_rows_more_or_fewer_are_accepted(rows_, duration, difference):
    assert check_row_count(rows_, duration, 2.0, "v") == difference


def test_features_of_another_step_are_refused_with_both_lengths():
    with pytest.raises(DataError, match="300 features x 2 s = 600 s, annotation says 301 s"):
        check_row_count(300, 301, 2.0, "v")


def two_streams(tmp_path, first, second, **options):
    write_npz(tmp_path / "clip" / "v.npz", features=first)
    write_npy(tmp_path / "slowfast" / "v.npy", second)
    streams = (
        Stream(name="clip", form="npz", path=str(tmp_path / "clip"), width=4, normalise="unit-eps"),
        Stream(name="slowfast", form="npy", path=str(tmp_path / "slowfast"), width=6, normalise="unit"),
    )
    return PublishedVideos(PublishedFeatures(streams=streams, **options))


def test_streams_off_by_one_are_cut_to_the_shortest_and_counted(tmp_path):
    first, second = rows(0, 75, 4), rows(1, 76, 6)
    found = two_streams(tmp_path, first, second).read("v", 150.0)
    assert found.rows.shape == (75, 10)
    assert found.notes == ("more rows than the duration", "streams cut to the shortest")
    expected = first / (np.linalg.norm(first, axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found.rows[:, :4], expected, rtol=1e-6)
    np.testing.assert_allclose(found.rows[:, 4:].norm(dim=1), 1, rtol=1e-6)


@pytest.mark.parametrize("step_s", [2.0, None])
def test_streams_off_by_thirty_percent_are_refused_with_both_numbers(tmp_path, step_s):
    videos = two_streams(tmp_path, rows(0, 75, 4), rows(1, 52, 6), step_s=step_s)
    with pytest.raises(DataError) as caught:
        videos.read("v", 150.0)
    assert "52" in str(caught.value) and "75" in str(caught.value)


def test_the_order_of_the_streams_is_that_of_the_configuration(tmp_path):
    videos = two_streams(tmp_path, rows(0, 5, 4), rows(1, 5, 6))
    turned = PublishedVideos(PublishedFeatures(streams=videos.config.streams[::-1]))
    straight, other = videos.read("v", 10.0).rows, turned.read("v", 10.0).rows
    assert torch.equal(other, torch.cat([straight[:, 4:], straight[:, :4]], dim=1))


def test_rows_past_the_limit_are_left_out_and_the_end_moves(tmp_path):
    write_npy(tmp_path / "v.npy", rows(0, 90, 4))
    stream = Stream(name="clip", form="npy", path=str(tmp_path))
    videos = PublishedVideos(PublishedFeatures(streams=(stream,), step_s=1.0, max_rows=75))
    found = videos.read("v", 90.0)
    assert (len(found.rows), found.end_s, found.notes) == (75, 75.0, ("rows past max_rows left out",))


def test_spread_rows_cover_the_whole_video(tmp_path):
    write_hdf5(tmp_path / "c3d.hdf5", {"s13-d21.avi": rows(0, 40, 4)})
    stream = Stream(name="c3d", form="hdf5", path=str(tmp_path / "c3d.hdf5"), pattern="{video_id}.avi")
    videos = PublishedVideos(PublishedFeatures(streams=(stream,), step_s=None))
    found = videos.read("s13-d21", 100.0)
    assert (found.step_s, found.end_s) == (2.5, 100.0)
    assert videos.video_ids() == ["s13-d21"]


def test_normalisation_of_a_zero_row_stays_zero():
    zero = torch.zeros(2, 4)
    for rule in ("raw", "unit", "unit-eps"):
        assert torch.equal(normalised(zero, rule), zero)
    tiny = torch.full((1, 4), 1e-6)
    assert normalised(tiny, "unit").norm() == pytest.approx(1)
    assert normalised(tiny, "unit-eps").norm() == pytest.approx(2e-6 / 1.2e-5)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"order": 1}, "unknown key 'order'"),
        ({"streams": []}, "streams"),
        ({"step_s": 0}, "step_s is 0"),
        ({"step_s": None, "max_rows": 75}, "max_rows is set and step_s is none"),
        ({"streams": [{"name": "a", "form": "npz", "path": "x", "normalise": "l2"}]}, "normalise is 'l2'"),
        ({"streams": [{"name": "a", "form": "npz", "path": "x", "pattern": "{vid}"}]}, "pattern is '{vid}'"),
        ({"streams": [{"name": "a", "form": "npz", "path": "x"}] * 2}, "give each its own name"),
    ],
)
def test_wrong_configurations_are_refused(change, problem):
    values = {"streams": [{"name": "clip", "form": "npz", "path": "x"}], **change}
    with pytest.raises(ConfigError, match=problem):
        parse_config(PublishedFeatures, values)


# --- workers (case 37)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_hdf5_gives_the_same_batches_with_four_workers(tmp_path, start):
    path = write_hdf5(tmp_path / "clip.hdf5", {f"v{index}": rows(index, index + 1, 16) for index in range(24)})
    videos = Videos(one_stream("hdf5", path, width=16))
    alone = list(DataLoader(videos, batch_size=5))  # opens the file here first, so that a fork would inherit it
    context = torch.multiprocessing.get_context(start)
    many = list(DataLoader(videos, batch_size=5, num_workers=4, multiprocessing_context=context))
    assert all(torch.equal(one, other) for one, other in zip(alone, many, strict=True))


def test_a_reader_with_open_files_is_sent_to_other_processes(tmp_path):
    videos = one_stream("hdf5", write_hdf5(tmp_path / "clip.hdf5", {"v": rows(0, 3, 16)}))
    first = videos.read("v", 6.0).rows
    assert torch.equal(pickle.loads(pickle.dumps(videos)).read("v", 6.0).rows, first)


# --- text features


def test_text_features_of_moment_detr_and_lighthouse(tmp_path):
    write_npz(tmp_path / "qid7.npz", last_hidden_state=rows(0, 9, 8), pooler_output=rows(1, 1, 8)[0])
    config = Texts(path=str(tmp_path), sentence_key="pooler_output", width=8)
    asked = named_queries(config, [query(0, "v0", [(0, 2)])], {"q0": "7"})
    found = PublishedTexts(config).read(asked[0])
    np.testing.assert_array_equal(found.tokens, rows(0, 9, 8))
    np.testing.assert_array_equal(found.embedding, rows(1, 1, 8)[0])


@pytest.mark.parametrize(
    ("pattern", "file", "key"),
    [("{query_id}", "q1.npz", "token"), ("{video_id}/{index}", "v%2F0/1.npz", "features")],
)
def test_text_files_named_otherwise(tmp_path, pattern, file, key):
    write_npz(tmp_path / file, **{key: rows(0, 4, 6)})
    config = Texts(path=str(tmp_path), pattern=pattern, key=key)
    asked = named_queries(config, [query(0, "v/0", [(0, 2)]), query(1, "v/0", [(2, 4)])], None)
    texts = PublishedTexts(config)
    assert texts.absent(asked) == ["q0"]
    found = texts.read(asked[1])
    assert torch.allclose(found.embedding, found.tokens.mean(dim=0))


def test_fields_are_filled_once():
    assert array_name("{video_id}/{index}", video_id="{index}", index="3") == ("{index}", "3")


def test_a_missing_folder_or_file_is_said(tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        open_files("npz", tmp_path / "absent")
    with pytest.raises(DataError, match="is no file"):
        open_files("hdf5", tmp_path)


def test_configurations_are_plain_json(tmp_path):
    config = PublishedFeatures(streams=(Stream(name="a", form="npz", path=str(Path("x"))),))
    assert PublishedFeatures.model_validate(json.loads(config.model_dump_json())) == config
