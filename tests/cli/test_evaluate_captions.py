"""`ctf evaluate captions` on captions made by others and on those of `ctf generate captions`."""

from __future__ import annotations

import json

import pytest

from tests.datasets.test_layout_rows import write_lines

SENTENCES = {
    "a": ["a red dog jumps", "a blue cat turns", "the dog leaves the beach"],
    "b": ["a green boat grows", "a yellow star falls", "the boat leaves the city"],
    "c": ["a pink fish shrinks", "a white duck waves", "the duck enters the forest"],
}
CAPTIONS = {"a": "A red dog jumps and a blue cat turns.", "b": "A green boat grows and a star falls."}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two passes of each video's sentences: `a`, `b` are the test split, `c` is the training split."""
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "videos.jsonl", *({"video_id": video, "duration_s": 60.0} for video in SENTENCES))
    for split, videos in (("test", "ab"), ("train", "c")):
        rows = [
            {"query_id": f"{video}{turn}{place}", "video_id": video, "text": text, "windows_s": [[place, place + 1.0]]}
            for video in videos
            for turn in range(2)
            for place, text in enumerate(SENTENCES[video])
        ]
        write_lines(tmp_path / f"queries.{split}.jsonl", *rows)
    rows = [{"caption_id": video, "video_id": video, "text": text} for video, text in CAPTIONS.items()]
    write_lines(tmp_path / "coarse.test.jsonl", *rows)
    rows = [
        {"video_id": f"{video}.avi", "summarized_sentence": text, "fps": 10.0, "num_frames": 600}
        for video, text in {**CAPTIONS, "c": CAPTIONS["a"]}.items()
    ]
    (tmp_path / "published.json").write_text(json.dumps(rows))
    return tmp_path


TRAIN = "--train", "queries.train.jsonl"


@pytest.mark.parametrize("captions", ["coarse.test.jsonl", "published.json"])
def test_captions_of_both_layouts_are_measured(ctf, here, captions):
    options = "queries.test.jsonl", "--captions", captions, *TRAIN, "--variants", 1
    result = ctf("evaluate", "captions", *options)
    assert result.code == 0 and "test" in result.out.splitlines()[1]
    assert [line for line in result.out.splitlines() if "A@1 % (chance)" in line and "100.0 (50.0)" in line]
    (found,) = json.loads(ctf("evaluate", "captions", *options, "--json").out)["splits"].values()
    assert (found["captions"], found["videos"], found["count_defect"], found["support"]) == (2, 2, 0, 1.0)
    published = captions == "published.json"
    assert (found["left_out"], found["nearly_equal"], found["confusion_elsewhere"]) == (
        published,
        published,
        published / 2,
    )
    assert ("1 caption of other videos (c) count" in result.err) == published


def test_a_folder_stands_for_its_files_of_captions(ctf, here):
    options = "queries.test.jsonl", *TRAIN, "--variants", 1, "--json"
    rows = [{"caption_id": "c", "video_id": "c", "text": CAPTIONS["a"]}]
    write_lines(here / "coarse.train.jsonl", *rows)
    by_folder = json.loads(ctf("evaluate", "captions", *options, "--captions", ".").out)
    files = "--captions", "coarse.test.jsonl", "--captions", "coarse.train.jsonl"
    assert by_folder["splits"] == json.loads(ctf("evaluate", "captions", *options, *files).out)["splits"]
    assert by_folder["splits"]["test"]["left_out"] == 1


def test_a_split_of_a_folder_is_chosen_and_its_training_split_weighs_words(ctf, here):
    options = "--captions", "coarse.test.jsonl", "--variants", 1, "--json"
    by_files = ctf("evaluate", "captions", "queries.test.jsonl", *TRAIN, *options)
    by_folder = ctf("evaluate", "captions", ".", "--split", "test", "--train", ".", *options)
    assert (by_folder.code, by_folder.err) == (0, "")
    assert by_folder.out == by_files.out
    for verb in (("evaluate", *options[:2]), ("generate", "--out", "made.jsonl")):
        result = ctf(verb[0], "captions", ".", "--train", ".", *verb[1:])
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "queries.test.jsonl, queries.train.jsonl; expected one file of queries" in result.err
    made = ctf("generate", "captions", ".", "--split", "test", "--train", ".", "--out", "made.jsonl", "--variants", 1)
    assert made.code == 0, made.err
    (here / "queries.train.jsonl").rename(here / "queries.other.jsonl")
    assert "name the file itself" in ctf("evaluate", "captions", "queries.test.jsonl", "--train", ".", *options).err


def test_each_split_of_a_file_of_all_has_its_column(ctf, here):
    files = "queries.train.jsonl", "queries.test.jsonl"
    result = ctf("evaluate", "captions", *files, "--captions", "published.json", *TRAIN, "--groups", "[ab]|c")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[1].split()[-4:-1] == ["train", "┃", "test"]
    assert "of groups" in result.out


def test_an_encoder_adds_a_second_alignment(ctf, here):
    options = "queries.test.jsonl", "--captions", "coarse.test.jsonl", *TRAIN, "--encoder", "tiny-world"
    (found,) = json.loads(ctf("evaluate", "captions", *options, "--json").out)["splits"].values()
    assert found["encoder_alignment"]["at_1"] == 100.0
    assert "A@1 % (chance), encoder" in ctf("evaluate", "captions", *options).out
    write_lines(here / "coarse.test.jsonl", {"caption_id": "a", "video_id": "a", "text": "A red dog jumps. " * 20})
    result = ctf("evaluate", "captions", *options)
    assert (result.code, result.err) == (0, "ctf: 1 text longer than tiny-world takes; the beginning is compared\n")


def test_generated_captions_are_measured_as_they_were_when_made(ctf, here):
    options = "--out", "made.jsonl", "--variants", 1, *TRAIN, "--json"
    made = json.loads(ctf("generate", "captions", "queries.test.jsonl", *options).out)["quality"]
    options = "--captions", "made.jsonl", "--variants", 1, *TRAIN, "--json"
    assert json.loads(ctf("evaluate", "captions", "queries.test.jsonl", *options).out)["splits"] == {"test": made}


@pytest.mark.parametrize("captions", ["coarse.test.jsonl", "published.json"])
def test_captions_in_the_place_of_sentences_are_told(ctf, here, captions):
    sentences, swap = "queries.test.jsonl", f"{captions} holds captions of whole videos and queries.test.jsonl the"
    alone = f"{captions} holds captions of whole videos; expected the sentences of moments as "
    for arguments, said in (
        (("evaluate", "captions", captions, "--captions", sentences, *TRAIN), swap),
        (("evaluate", "captions", captions, "--captions", captions, *TRAIN), alone + "ANNOTATIONS"),
        (("evaluate", "captions", sentences, "--captions", captions, "--train", captions), alone + "--train"),
        (("generate", "captions", captions, "--out", "made.jsonl", *TRAIN), alone + "ANNOTATIONS"),
        (("generate", "captions", sentences, "--out", "made.jsonl", "--train", captions), alone + "--train"),
    ):
        result = ctf(*arguments)
        assert (result.code, result.err.count("\n"), result.out) == (2, 1, "")
        assert said in result.err
    assert not (here / "made.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--captions", "queries.test.jsonl"), "queries.test.jsonl holds moments with windows; expected captions"),
        (("--captions", "empty"), "empty is a folder without coarse.<split>.jsonl; expected a file of captions"),
        (("--captions", "nope.json"), "nope.json: No such file or directory"),
        (("--captions", "published.json", "--captions", "published.json"), "caption 'a#c0' stands in an earlier file"),
        (("--captions", "other.jsonl"), "(captions of z; sentences of a, b); expected captions of these videos"),
        (("--captions", "published.json", "--groups", "("), "groups '(': missing )"),
        (("--captions", "published.json", "--groups", "d[0-9]"), "groups 'd[0-9]' finds nothing in the id 'a'"),
        (("--captions", "published.json", "--encoder", "tiny-wrld"), "tiny-world"),
    ],
)
def test_what_cannot_be_measured_is_one_line(ctf, here, options, said):
    (here / "empty").mkdir()
    write_lines(here / "other.jsonl", {"caption_id": "z", "video_id": "z", "text": "A dog jumps."})
    result = ctf("evaluate", "captions", "queries.test.jsonl", *options, *TRAIN)
    assert (result.code, result.err.count("\n"), result.out) == (2, 1, "")
    assert said in result.err
