"""The sharded feature format: round trips, resuming after kills, damage, makers."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors import safe_open

from coarse_to_fine.errors import DataError, FingerprintError, LibraryError
from coarse_to_fine.features.store import FeatureReader, Manifest, read_index, tensor_key
from coarse_to_fine.features.writer import FeatureWriter, NewItem

MADE_BY = Manifest("video_segments", {"name": "small", "fingerprint": "ab"}, {"clip_seconds": 2.0})
ODD_IDS = ["plain", "with space/and ../dots", "視頻 'q\" #%&", "-dash", "new\nline", "line\u2028separator"]


def tensors(number: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    return {
        "clips": torch.randn(number + 1, 4, generator=generator),
        "frames": torch.randn(2, 4, generator=generator),
    }


def write(folder, count, **options):
    with FeatureWriter(folder, MADE_BY, **options) as writer:
        for number in range(count):
            if not writer.has(f"v{number}"):
                writer.add(f"v{number}", tensors(number), duration_s=2.0 * number)


def assert_whole(folder, count, dtype=torch.float16):
    reader = FeatureReader(folder)
    assert list(reader) == [f"v{number}" for number in range(count)]
    assert reader.verify() == []
    for number in range(count):
        for name, value in tensors(number).items():
            read = reader.read(f"v{number}")[name]
            assert read.dtype == torch.float32
            assert torch.equal(read, value.to(dtype).float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("shard_bytes", [1, 60, 1 << 20])
def test_round_trip(tmp_path, dtype, shard_bytes):
    write(tmp_path / "features", 5, dtype=dtype, shard_bytes=shard_bytes)
    assert_whole(tmp_path / "features", 5, dtype)
    reader = FeatureReader(tmp_path / "features")
    assert reader.manifest.complete
    assert reader.item("v3").about == {"duration_s": 6.0}
    assert list(reader.read("v3", "clips")) == ["clips"]
    assert len(reader.manifest.shards) == {1: 5, 60: 2 if dtype == torch.float16 else 4, 1 << 20: 1}[shard_bytes]


def test_odd_ids_come_back(tmp_path):
    with FeatureWriter(tmp_path, MADE_BY) as writer:
        for number, item_id in enumerate(ODD_IDS):
            writer.add(item_id, tensors(number))
    reader = FeatureReader(tmp_path)
    assert list(reader) == ODD_IDS
    for number, item_id in enumerate(ODD_IDS):
        assert torch.equal(reader.read(item_id)["clips"], tensors(number)["clips"].half().float())


def test_format_is_readable_without_our_code(tmp_path):
    write(tmp_path, 2)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    line = json.loads((tmp_path / "index.jsonl").read_text().split("\n")[1])
    assert manifest["shards"][0]["items"] == 2
    with safe_open(tmp_path / line["shard"], framework="pt") as shard:
        assert shard.get_tensor("v1/clips").shape == tuple(line["tensors"]["clips"])
    assert tensor_key("a b/c", "clips") == "a%20b%2Fc/clips"


def test_unfinished_run_goes_on_and_keeps_whole_shards(tmp_path):
    write(tmp_path / "once", 6, shard_bytes=100)
    writer = FeatureWriter(tmp_path / "twice", MADE_BY, shard_bytes=100)
    for number in range(4):
        writer.add(f"v{number}", tensors(number), duration_s=2.0 * number)
    writer._lock.release()  # as a kill does
    assert not FeatureReader(tmp_path / "twice").manifest.complete
    write(tmp_path / "twice", 6, shard_bytes=100)
    assert_whole(tmp_path / "twice", 6)
    once, twice = ((tmp_path / name / "index.jsonl").read_text() for name in ("once", "twice"))
    assert once == twice


@pytest.mark.parametrize(
    "damage", ["temporary", "torn index", "no index line", "shard cut", "shard gone", "no manifest entry"]
)
def test_what_a_kill_may_leave_is_repaired(tmp_path, damage):
    write(tmp_path, 4, shard_bytes=1)
    index, last = tmp_path / "index.jsonl", tmp_path / "shard-00003.safetensors"
    if damage == "temporary":
        (tmp_path / "shard-00004.safetensors.tmp").write_bytes(b"half")
    elif damage == "torn index":
        index.write_text(index.read_text()[:-30])
    elif damage == "no index line":
        index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))
    elif damage == "shard cut":
        last.write_bytes(last.read_bytes()[:-1])
    elif damage == "shard gone":
        last.unlink()
    else:
        manifest = json.loads((tmp_path / "manifest.json").read_text())
        manifest["shards"].pop()
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        assert "v3" not in FeatureReader(tmp_path)
    write(tmp_path, 4, shard_bytes=1)
    assert_whole(tmp_path, 4)
    assert len(list(tmp_path.glob("shard-*"))) == 4


def test_item_is_replaced_when_its_source_changed(tmp_path):
    with FeatureWriter(tmp_path, MADE_BY) as writer:
        writer.add("a", tensors(1), source="old")
        writer.add("a", tensors(2), source="newer")
    with FeatureWriter(tmp_path, MADE_BY) as writer:
        assert writer.has("a", "newer")
        assert not writer.has("a", "newest")
        writer.add("a", tensors(3), source="newest")
    reader = FeatureReader(tmp_path)
    assert reader.read("a")["clips"].shape == (4, 4)
    assert reader.item("a").about == {"source": "newest"}
    assert reader.verify() == []


def add_video(writer, source, segments):
    about = {"video_id": "v", "source": source}
    writer.add_together([NewItem(f"v#{number}", tensors(number), about) for number in range(segments)])


def test_segments_of_a_video_are_stored_all_or_none(tmp_path):
    """A shard that is full in the middle of a video waits for the rest of it."""
    writer = FeatureWriter(tmp_path, MADE_BY, shard_bytes=1)
    with pytest.raises(DataError):
        segments = [NewItem("a#0", tensors(0), {}), NewItem("a#1", {"x": torch.full((2,), torch.inf)}, {})]
        writer.add_together(segments)
    assert not writer.has("a#0")
    add_video(writer, "first", 3)
    assert len({item.shard for item in read_index(tmp_path)}) == 1
    writer.close(complete=False)
    assert list(FeatureReader(tmp_path)) == ["v#0", "v#1", "v#2"]


@pytest.mark.parametrize("shard_bytes", [1, 1 << 20])
def test_segments_that_a_shorter_file_does_not_have_are_gone(tmp_path, shard_bytes):
    with FeatureWriter(tmp_path, MADE_BY, shard_bytes=shard_bytes) as writer:
        add_video(writer, "long file", 3)
        writer.add("other", tensors(0))
        add_video(writer, "short file", 1)
        assert [writer.has(f"v#{number}") for number in range(3)] == [True, False, False]
    for _ in range(2):  # the second finds what the first wrote again
        assert sorted(FeatureReader(tmp_path)) == ["other", "v#0"]
        FeatureWriter(tmp_path, MADE_BY).close()


def test_exception_leaves_the_folder_incomplete_and_readable(tmp_path):
    with pytest.raises(KeyError), FeatureWriter(tmp_path, MADE_BY) as writer:
        writer.add("a", tensors(1))
        writer.fail("b", "no frame")
        raise KeyError("stop")
    reader = FeatureReader(tmp_path)
    assert not reader.manifest.complete
    assert list(reader) == ["a"]
    assert json.loads((tmp_path / "failed.jsonl").read_text()) == {"id": "b", "reason": "no frame"}


def test_another_maker_is_refused_with_the_fields_that_differ(tmp_path):
    write(tmp_path, 1)
    other = Manifest("video_segments", {"name": "small", "fingerprint": "cd"}, {"clip_seconds": 1.0})
    with pytest.raises(FingerprintError, match=r"encoder.fingerprint 'ab' != 'cd'; sampling.clip_seconds 2.0 != 1.0"):
        FeatureWriter(tmp_path, other)
    assert_whole(tmp_path, 1)


def test_second_writer_is_refused(tmp_path):
    with FeatureWriter(tmp_path, MADE_BY), pytest.raises(LibraryError, match="is being written by process"):
        FeatureWriter(tmp_path, MADE_BY)
    write(tmp_path, 1)


def test_verify_finds_a_flipped_bit_and_a_missing_shard(tmp_path):
    write(tmp_path, 3, shard_bytes=1)
    first = tmp_path / "shard-00000.safetensors"
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    (tmp_path / "shard-00001.safetensors").unlink()
    flipped, missing = FeatureReader(tmp_path).verify()
    assert "shard-00000.safetensors: expected sha256" in flipped
    assert missing == "shard-00001.safetensors: missing"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_value_that_cannot_be_stored_is_refused(tmp_path, value):
    with FeatureWriter(tmp_path, MADE_BY) as writer, pytest.raises(DataError, match="not finite"):
        writer.add("a", {"clips": torch.full((1, 2), value)})


def test_errors_name_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"no readable manifest\.json"):
        FeatureReader(tmp_path)
    write(tmp_path / "features", 1)
    reader = FeatureReader(tmp_path / "features")
    with pytest.raises(DataError, match=r"no features of 'x'; expected one of its items \(1\);"):
        reader.read("x")
    with pytest.raises(DataError, match=r"no tensor 'audio'; expected one of \['clips', 'frames'\]"):
        reader.read("v0", "audio")
    shutil.copytree(tmp_path / "features", tmp_path / "newer")
    manifest = json.loads((tmp_path / "newer" / "manifest.json").read_text())
    (tmp_path / "newer" / "manifest.json").write_text(json.dumps(manifest | {"format_version": 9}))
    with pytest.raises(DataError, match="feature format 9; expected 1"):
        FeatureReader(tmp_path / "newer")
