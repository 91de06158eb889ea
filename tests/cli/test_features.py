"""`ctf features`: import, verify, show."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.word_vectors import load_vectors
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


def test_words_get_the_vectors_of_a_glove_file(ctf, qvhighlights):
    glove = qvhighlights / "glove.txt"
    glove.write_text("text 1 0 0\n. . . 9 9 9\n1 0 2 0\n2 0 0 3\n", encoding="utf-8")
    common = ("--annotations", qvhighlights / "highlight_val_release.jsonl", "--out", qvhighlights / "out")
    result = ctf("features", "import", qvhighlights / "clip_features", "--texts", glove, *common, "--json")
    assert result.code == 0 and json.loads(result.out)["texts"]["made"] == 3
    texts = FeatureReader(qvhighlights / "out" / "texts")
    assert texts.read("text 2")["tokens"].tolist() == [[1, 0, 0], [0, 0, 3]]
    assert texts.read("text 0")["tokens"].tolist() == [[1, 0, 0]]  # 0 has no vector and is left out
    assert texts.read("text 2")["embedding"].tolist() == [0.5, 0, 1.5]
    assert load_vectors(qvhighlights / "out" / "vectors.safetensors").words == {"1": 0, "2": 1, "text": 2}


def test_sentences_without_any_vector_are_refused_or_left_out(ctf, qvhighlights):
    (qvhighlights / "glove.txt").write_text("1 0 2 0\n2 0 0 3\n", encoding="utf-8")
    asked = ("features", "import", qvhighlights / "clip_features", "--texts", qvhighlights / "glove.txt")
    asked += ("--annotations", qvhighlights / "highlight_val_release.jsonl", "--out", qvhighlights / "out")
    refused = ctf(*asked)
    assert refused.code == 2 and "--missing-video drop" in refused.err
    assert json.loads(ctf(*asked, "--missing-video", "drop", "--json").out)["queries"] == 2


def test_a_config_gives_unknown_words_one_vector(ctf, qvhighlights):
    (qvhighlights / "glove.txt").write_text("text 1 0 0\n", encoding="utf-8")
    config = qvhighlights / "streams.yaml"
    config.write_text(
        f"streams: [{{name: clip, form: npz, path: {qvhighlights / 'clip_features'}}}]\n"
        f"texts: {{form: glove, path: {qvhighlights / 'glove.txt'}, unknown_seed: 0}}\n"
    )
    annotations = qvhighlights / "highlight_val_release.jsonl"
    result = ctf("features", "import", "--config", config, "--annotations", annotations, "--out", qvhighlights / "out")
    texts = FeatureReader(qvhighlights / "out" / "texts")
    assert result.code == 0
    first, second = (texts.read(f"text {number}")["tokens"] for number in range(2))
    assert first.tolist() == second.tolist() and first[1].tolist() != [0, 0, 0]


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
    assert "1 video without features left out: -abc_0.0_10.0" in result.err


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
