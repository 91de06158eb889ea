"""`ctf features`: import, verify, show."""

from __future__ import annotations

import json

import pytest

from tests.features.published_files import rows, write_hdf5, write_npz, write_pt


@pytest.fixture
def qvhighlights(tmp_path):
    """Three videos of 10 s with two streams and a text each, in the layout of Moment-DETR."""
    lines = []
    for number, name in enumerate(("-abc_0.0_10.0", "b_c-d_0.0_10.0", "video_0.0_10.0")):
        write_npz(tmp_path / "clip_features" / f"{name}.npz", features=rows(number, 5, 8))
        write_npz(tmp_path / "slowfast_features" / f"{name}.npz", features=rows(number, 5, 4))
        text = {"last_hidden_state": rows(number, 7, 8), "pooler_output": rows(number, 1, 8)[0]}
        write_npz(tmp_path / "clip_text_features" / f"qid{number}.npz", **text)
        row = {"qid": number, "query": f"text {number}", "vid": name, "duration": 10, "relevant_windows": [[2, 6]]}
        saliency = {"relevant_clip_ids": [1, 2], "saliency_scores": [[1, 2, 3], [4, 4, 4]]}
        lines.append(json.dumps(row | saliency) + "\n")
    (tmp_path / "highlight_val_release.jsonl").write_text("".join(lines))
    return tmp_path


def import_all(ctf, folder, *more):
    return ctf(
        "features", "import", folder / "clip_features", folder / "slowfast_features", "--out", folder / "out",
        "--annotations", folder / "highlight_val_release.jsonl", "--width", 8, "--width", 4,
        "--texts", folder / "clip_text_features", *more,
    )  # fmt: skip


def test_published_features_become_a_training_set(ctf, qvhighlights):
    result = import_all(ctf, qvhighlights, "--normalise", "unit-eps", "--json")
    report = json.loads(result.out)
    assert (result.code, report["videos"]["made"], report["texts"]["made"], report["queries"]) == (0, 3, 3, 3)
    assert json.loads(import_all(ctf, qvhighlights, "--normalise", "unit-eps", "--json").out)["videos"]["there"] == 3
    result = import_all(ctf, qvhighlights, "--normalise", "unit")
    assert result.code == 2 and "made differently" in result.err


def test_the_same_from_a_configuration_file(ctf, qvhighlights):
    streams = "".join(
        f"  - {{name: {name}, form: npz, path: {qvhighlights / path}, width: {width}}}\n"
        for name, path, width in (("slowfast", "slowfast_features", 4), ("clip", "clip_features", 8))
    )
    config = qvhighlights / "streams.yaml"
    config.write_text(f"streams:\n{streams}step_s: 2.0\n")
    annotations = qvhighlights / "highlight_val_release.jsonl"
    result = ctf("features", "import", "--config", config, "--annotations", annotations, "--out", qvhighlights / "out")
    assert result.code == 0 and "3 videos imported" in result.out
    (shown,) = json.loads(ctf("features", "show", qvhighlights / "out", "--json").out)
    assert [stream["name"] for stream in shown["encoder"]["streams"]] == ["slowfast", "clip"]
    assert (shown["encoder"]["width"], shown["origin"], shown["rows"]["clips"]) == (12, "declared by the user", 15)
    result = ctf("features", "import", "--config", config, "--set", "step=1", "--out", qvhighlights / "out")
    assert result.code == 2 and "unknown key 'step', did you mean 'step_s'?" in result.err
    assert ctf("features", "import", "--out", qvhighlights / "out").code == 2


def test_missing_videos_are_listed_and_left_out_only_by_request(ctf, qvhighlights):
    (qvhighlights / "clip_features" / "-abc_0.0_10.0.npz").unlink()
    result = import_all(ctf, qvhighlights)
    assert result.code == 2 and "no features of 1 of 3 videos (-abc_0.0_10.0)" in result.err
    result = import_all(ctf, qvhighlights, "--missing-video", "drop")
    assert result.code == 0 and "2 queries" in result.out
    assert "1 videos without features left out: -abc_0.0_10.0" in result.err


def test_a_bad_file_is_one_line_and_exit_code_one(ctf, qvhighlights):
    write_npz(qvhighlights / "clip_features" / "-abc_0.0_10.0.npz", features=rows(0, 9, 8))
    result = import_all(ctf, qvhighlights)
    assert result.code == 1
    line = next(line for line in result.err.splitlines() if "-abc_0.0_10.0:" in line)
    assert "9 features x 2 s = 18 s, annotation says 10 s" in line


def test_values_that_do_not_pair_with_the_streams_are_refused(ctf, qvhighlights):
    result = import_all(ctf, qvhighlights, "--name", "a", "--name", "b", "--name", "c")
    assert result.code == 2 and "--name was given 3 times for 2 streams" in result.err


def test_verify_finds_damage(ctf, qvhighlights):
    import_all(ctf, qvhighlights)
    assert ctf("features", "verify", qvhighlights / "out").code == 0
    shard = qvhighlights / "out" / "videos" / "shard-00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content))
    result = ctf("features", "verify", qvhighlights / "out", "--json")
    videos, texts = json.loads(result.out)
    assert result.code == 1 and "expected sha256" in videos["problems"][0] and texts["problems"] == []
    assert ctf("features", "verify", qvhighlights).code == 2


def test_show_describes_foreign_files(ctf, qvhighlights):
    path = qvhighlights / "clip_features" / "-abc_0.0_10.0.npz"
    (shown,) = json.loads(ctf("features", "show", path, "--json").out)
    (array,) = shown["arrays"]
    assert (array["key"], array["shape"], array["dtype"], array["not_finite"]) == ("features", [5, 8], "float32", 0)
    hdf5 = write_hdf5(qvhighlights / "x.hdf5", {"v0": rows(0, 3, 4), "v1": rows(1, 2, 4)})
    (shown,) = json.loads(ctf("features", "show", hdf5, "--json").out)
    assert (shown["keys"], [array["shape"] for array in shown["arrays"]]) == (2, [[3, 4], [2, 4]])
    import torch

    assert "v: " not in ctf("features", "show", write_pt(qvhighlights / "x.pt", torch.ones(2, 3))).err
    assert ctf("features", "show", qvhighlights / "highlight_val_release.jsonl").code == 2
