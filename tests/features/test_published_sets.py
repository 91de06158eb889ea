"""Published features and their annotations become a training set."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from coarse_to_fine.datasets.charades_sta import read_durations
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError, FingerprintError
from coarse_to_fine.features.published.config import PublishedFeatures, Stream, Texts
from coarse_to_fine.features.published.import_set import import_set
from coarse_to_fine.features.published.importing import import_videos
from coarse_to_fine.features.published.joining import join_queries, unmatched
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.training_set import training_examples
from tests.features.published_files import rows, write_hdf5, write_npz

VIDEOS = {"AAAAA": 30.0, "BBBBB": 24.5, "CCCCC": 12.0}
LINES = [
    # line of the txt, kept by the other release
    ("AAAAA 0.0 5.0##a person opens a door.", True),
    ("AAAAA 9.0 4.0##reversed.", False),
    ("AAAAA 5.0 9.0##a person opens a door.", True),
    ("BBBBB 3.0 25.9##someone  sits down.", True),
    ("CCCCC 1.0 2.0##a person opens a door.", True),
]


@pytest.fixture
def charades(tmp_path):
    """Charades-STA as published, Lighthouse's rows of it, and features keyed by Lighthouse's ids."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "charades_sta_train.txt").write_text("".join(f"{line}\n" for line, _ in LINES))
    table = "".join(f"{name},{seconds}\n" for name, seconds in VIDEOS.items())
    (folder / "durations.csv").write_text("video_id,duration\n" + table)
    kept = [line for line, keep in LINES if keep]
    release = []
    for qid, line in enumerate(kept):
        head, _, text = line.partition("##")
        video_id, start, end = head.split()
        window = [float(start), min(float(end), VIDEOS[video_id])]
        row = {"qid": qid, "query": text, "vid": video_id, "duration": VIDEOS[video_id], "relevant_windows": [window]}
        release.append(json.dumps(row) + "\n")
        seed = sum(map(ord, " ".join(text.split())))  # equal sentences have equal features
        write_npz(
            folder / "clip_text" / f"qid{qid}.npz",
            last_hidden_state=rows(seed, 6, 8),
            pooler_output=rows(seed, 1, 8)[0],
        )
    (folder / "charades_train_release.jsonl").write_text("".join(release))
    for seed, (name, seconds) in enumerate(VIDEOS.items()):
        write_npz(folder / "clip" / f"{name}.npz", features=rows(seed, int(np.ceil(seconds)), 8))
        write_npz(folder / "slowfast" / f"{name}.npz", features=rows(seed, int(np.ceil(seconds)) - 1, 4))
    return folder


def streams(folder, texts=True, **text_options):
    return PublishedFeatures(
        streams=(
            Stream(name="clip", form="npz", path=str(folder / "clip"), width=8),
            Stream(name="slowfast", form="npz", path=str(folder / "slowfast")),
        ),
        step_s=1.0,
        texts=Texts(path=str(folder / "clip_text"), sentence_key="pooler_output", **text_options) if texts else None,
    )


def test_a_set_is_imported_and_read_as_training_examples(charades, tmp_path):
    found = load_annotations(charades / "charades_sta_train.txt")
    config = streams(charades, ids_from=str(charades / "charades_train_release.jsonl"))
    with pytest.raises(DataError, match=r"lacks 1 of 5 queries .*train:2"):
        import_set(found, config, tmp_path / "out")
    done = import_set(found, config, tmp_path / "out", missing="drop", dtype=torch.float32)
    assert (done.videos.made, done.queries) == (3, 4)  # in another precision than before
    assert done.texts is not None and done.texts.made + done.texts.there == 2
    examples = training_examples(tmp_path / "out")
    assert [example.query_id for example in examples] == ["train:1", "train:3", "train:4", "train:5"]
    for example, text in zip(examples, ("a person opens a door.",) * 2 + ("someone sits down.",)):
        assert example.text.text == text
        seed = sum(map(ord, text))
        np.testing.assert_array_equal(example.text.tokens, rows(seed, 6, 8))
    third = examples[2]
    assert third.windows_s.tolist() == [[3.0, 24.5]]
    assert third.segment.clips.shape == (24, 12) and third.segment.frames.shape == (0, 12)
    assert (third.segment.clip_seconds, third.segment.end_s) == (1.0, 24.5)
    about = json.loads((tmp_path / "out" / "annotations" / "dataset.json").read_text())
    assert about["source"]["file"] == "charades_sta_train.txt" and "licence" in about
    report = json.loads((tmp_path / "out" / "annotations" / "report.train.json").read_text())
    assert report["repairs"] == {"R02": 1, "R04": 1, "R08": 1, "R09": 1}
    assert report["queries"] == 4


def test_a_join_by_number_would_be_noticed(charades, tmp_path):
    """The ids of the txt, counted by line, name the features of the neighbour after the dropped row."""
    lines = [json.loads(line) for line in (charades / "charades_train_release.jsonl").read_text().splitlines()]
    for row, qid in zip(lines, (0, 2, 3, 4)):
        row["qid"] = qid
    (charades / "shifted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    found = load_annotations(charades / "shifted.jsonl", split="train")
    with pytest.raises(DataError, match="no features of 1 of 4 queries"):
        import_set(found, streams(charades), tmp_path / "out")
    with pytest.raises(DataError, match="other features than in an earlier query"):
        import_set(found, streams(charades), tmp_path / "out", missing="drop")


def moment(query_id, text="a door opens", window=(1.0, 2.0), video_id="v"):
    return MomentQuery(query_id, video_id, text, (window,), "train")


def test_queries_are_joined_by_what_they_say():
    ours = [moment("a"), moment("b", window=(3.0, 4.0)), moment("c", "Another  one"), moment("d", video_id="w")]
    theirs = [moment("1", window=(3.0, 4.02)), moment("0", "A door opens"), moment("2", "another one")]
    joined = join_queries(ours, theirs)
    assert joined == {"a": "0", "b": "1", "c": "2"}
    assert unmatched(ours, joined) == ["d"]


@pytest.mark.parametrize(("mine", "others"), [(1, 2), (2, 1)])
def test_an_ambiguous_join_is_refused_and_names_the_rows(mine, others):
    ours, theirs = ([moment(f"{side}{n}") for n in range(count)] for side, count in (("o", mine), ("t", others)))
    with pytest.raises(DataError, match=r"fits 2 queries of the other file .*'a door opens'"):
        join_queries(ours, theirs)


def test_the_ids_of_lighthouse_are_those_of_the_rows_that_it_kept(tmp_path, data_dir):
    """Its release leaves four reversed rows of the training file out and counts the others from 0."""
    path = data_dir / "charades_sta" / "charades_sta_train.txt"
    dropped = (8252, 8440, 9623, 9624)
    seconds = read_durations(data_dir / "charades_sta" / "durations.csv")
    release = tmp_path / "charades_train_release.jsonl"
    with release.open("w") as file:
        qid = 0
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if number in dropped:
                continue
            head, _, text = line.partition("##")
            video_id, start, end = head.split()
            duration = seconds[video_id]
            window = [float(start), min(float(end), duration)]
            row = {"qid": qid, "query": text, "duration": duration, "vid": video_id, "relevant_windows": [window]}
            file.write(json.dumps(row) + "\n")
            qid += 1
    ours, theirs = load_annotations(path).queries, load_annotations(release).queries
    joined = join_queries(ours, theirs)
    assert len(theirs) == 12404
    for query_id, other in joined.items():
        line = int(query_id.split(":")[1])
        assert int(other) == line - 1 - sum(each < line for each in dropped)
    assert unmatched(ours, joined) == ["train:8440"]


# --- what is missing, broken, made otherwise


def test_missing_videos_are_refused_by_name_and_dropped_by_request(charades, tmp_path):
    (charades / "slowfast" / "BBBBB.npz").unlink()
    found = load_annotations(charades / "charades_sta_train.txt")
    with pytest.raises(DataError, match=r"no features of 1 of 3 videos \(BBBBB\)"):
        import_set(found, streams(charades, texts=False), tmp_path / "out")
    done = import_set(found, streams(charades, texts=False), tmp_path / "out", missing="drop")
    assert done.videos.absent == ("BBBBB",) and done.queries == 4
    queries = read_annotations(tmp_path / "out" / "annotations", "train").queries
    assert {each.video_id for each in queries} == {"AAAAA", "CCCCC"}


def test_one_bad_file_does_not_stop_the_others(charades, tmp_path):
    write_npz(charades / "clip" / "AAAAA.npz", features=np.full((30, 8), np.inf))
    done = import_set(
        load_annotations(charades / "charades_sta_train.txt"), streams(charades, texts=False), tmp_path / "out"
    )
    assert [name for name, _ in done.videos.failed] == ["AAAAA"] and done.videos.made == 2
    assert "not finite" in (tmp_path / "out" / "videos" / "failed.jsonl").read_text()


def test_features_of_another_step_stop_the_import(charades, tmp_path):
    wrong = streams(charades, texts=False).model_copy(update={"step_s": 2.0})
    found = load_annotations(charades / "charades_sta_train.txt")
    with pytest.raises(DataError, match=r"no features can be read .*30 features x 2 s = 60 s, annotation says 30 s"):
        import_set(found, wrong, tmp_path / "out")


def test_an_import_goes_on_and_refuses_other_declarations(charades, tmp_path):
    config = streams(charades, texts=False)
    found = load_annotations(charades / "charades_sta_train.txt")
    infos = list(found.videos.values())
    assert import_videos(config, infos[:1], tmp_path / "out").made == 1
    again = import_videos(config, infos, tmp_path / "out")
    assert (again.made, again.there) == (2, 1)
    assert dict(again.notes) == {"fewer rows than the duration": 2, "streams cut to the shortest": 2}
    turned = config.model_copy(update={"streams": config.streams[::-1]})
    with pytest.raises(FingerprintError, match="streams"):
        import_videos(turned, infos, tmp_path / "out")
    encoder = FeatureReader(tmp_path / "out").manifest.encoder
    assert encoder["declared"] and [stream["name"] for stream in encoder["streams"]] == ["clip", "slowfast"]


def test_files_that_changed_are_imported_again(charades, tmp_path):
    """Features, sentences and lengths that were corrected in their place; what stayed is kept."""
    table = charades / "durations.csv"
    train = charades / "charades_sta_train.txt"
    config = streams(charades, ids_from=str(charades / "charades_train_release.jsonl"))
    train.write_text("".join(f"{line}\n" for line, kept in LINES if kept))
    import_set(load_annotations(train), config, tmp_path / "out")
    corrected, words = rows(9, 25, 8), rows(9, 6, 8)
    write_npz(charades / "clip" / "BBBBB.npz", features=corrected)
    write_npz(charades / "clip_text" / "qid2.npz", last_hidden_state=words, pooler_output=words[0])
    table.write_text(table.read_text().replace("CCCCC,12.0", "CCCCC,12.5"))
    again = import_set(load_annotations(train), config, tmp_path / "out")
    assert (again.videos.made, again.videos.there) == (2, 1) and (again.texts.made, again.texts.there) == (1, 1)
    videos, texts = FeatureReader(tmp_path / "out" / "videos"), FeatureReader(tmp_path / "out" / "texts")
    clips = videos.read("BBBBB#0", "clips")["clips"][:, :8]
    assert torch.equal(clips.half(), torch.from_numpy(corrected).half()[: len(clips)])
    assert torch.equal(texts.read("someone sits down.", "tokens")["tokens"], torch.from_numpy(words))
    assert videos.item("CCCCC#0").about["end_s"] == 12.5
    third = import_set(load_annotations(train), config, tmp_path / "out")
    assert (third.videos.there, third.texts.there) == (3, 2)


def test_an_hdf5_file_that_changed_is_imported_again(tmp_path):
    config = PublishedFeatures(streams=(Stream(name="c3d", form="hdf5", path=str(tmp_path / "c3d.hdf5")),), step_s=2.0)
    for seed, expected in ((0, (1, 0)), (0, (0, 1)), (1, (1, 0))):
        if expected[0]:
            write_hdf5(tmp_path / "c3d.hdf5", {"v": rows(seed, 5, 4)})
        done = import_videos(config, None, tmp_path / "out")
        assert (done.made, done.there) == expected
        stored = FeatureReader(tmp_path / "out").read("v#0", "clips")["clips"]
        assert torch.equal(stored.half(), torch.from_numpy(rows(seed, 5, 4)).half())


def test_without_annotations_every_file_is_imported(charades, tmp_path):
    done = import_videos(streams(charades, texts=False), None, tmp_path / "out")
    reader = FeatureReader(tmp_path / "out")
    assert done.made == 3 and sorted(reader) == ["AAAAA#0", "BBBBB#0", "CCCCC#0"]
    assert reader.item("AAAAA#0").about["end_s"] == 29.0
