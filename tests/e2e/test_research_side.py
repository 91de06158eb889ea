"""Annotations, features, models and metrics together, where each part alone would hide a mistake."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.layout import LayoutVideo, read_annotations, write_annotations
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedVideos
from coarse_to_fine.evaluation.truth import read_truth, truth_from_records
from coarse_to_fine.evaluation.video_retrieval import dual_softmax, text_to_video
from coarse_to_fine.experiment import evaluate_pipeline, read_asked
from coarse_to_fine.features.extract import extract_files, extract_texts
from coarse_to_fine.features.published.config import PublishedFeatures, Stream, Texts
from coarse_to_fine.features.published.import_set import import_set
from coarse_to_fine.features.training_set import training_examples
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.objective import DetectorLossConfig
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.recipe import QdDetrRecipe
from coarse_to_fine.fine_grained.qd_detr.training import QdDetrData, QdDetrTargetsConfig, QdDetrTask
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.stage_evaluation import evaluate_coarse, evaluate_fine
from tests.cli.conftest import ctf  # noqa: F401
from tests.features.published_files import rows, write_npz
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video

SMALL = QdDetrConfig(video_feature_dims=(16,), text_feature_dim=8, hidden_dim=16, heads=2, feed_forward_dim=32)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three short videos with a query each: files, annotations, library, extracted features."""
    folder = tmp_path_factory.mktemp("research")
    videos, queries = [], []
    for number, seconds in enumerate((9.0, 14.0, 21.0)):
        path = write_video(folder / "videos" / f"v{number}.mp4", seconds, number)
        videos.append(LayoutVideo(VideoInfo(f"v{number}", seconds, 5.0), path))
        windows = ((1.0, 3.0 + number),)
        queries.append(MomentQuery(f"q{number}", f"v{number}", f"a square in video {number}", windows, "test"))
    write_annotations(folder / "set" / "annotations", "test", videos, queries, name="small")
    encoder = SmallEncoder()
    found = read_annotations(folder / "set" / "annotations", "test")
    extract_files(found, encoder, folder / "set" / "videos")
    extract_texts([query.text for query in queries], encoder, folder / "set" / "texts")
    with Library.create(folder / "library.ctf", encoder=encoder) as library:
        library.add(folder / "videos")
        yield folder, library


def fine_models():
    torch.manual_seed(0)
    return {"similarity": load_fine("similarity"), "qd-detr": QdDetr(SMALL).eval()}


@pytest.mark.parametrize("name", ["similarity", "qd-detr"])
def test_a_search_answers_as_the_model_does_on_extracted_features(world, name):
    folder, library = world
    model = fine_models()[name]
    pipeline = Pipeline(library, load_coarse("mean-pool"), model)
    for example in training_examples(folder / "set"):
        (alone,) = model.locate([(model.video_cache(example.segment), example.text)])
        searched = pipeline.moments(example.text.text, example.video_id)
        torch.testing.assert_close(searched.saliency, alone.saliency, rtol=0, atol=1e-5)
        best = searched.hits[0]
        assert (best.start_s, best.end_s) == pytest.approx(alone.windows_s[0].tolist(), abs=1e-5)
        assert best.score == pytest.approx(float(alone.scores[0]), abs=1e-5)


def test_a_report_names_what_made_its_features(world):
    folder, library = world
    pipeline = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))
    truth = read_truth(folder / "set" / "annotations" / "queries.test.jsonl")
    _, report = evaluate_pipeline(pipeline, truth, resamples=0)
    assert library.encoder_fingerprint[:8] in json.dumps(report.to_json())
    assert "mean-pool x similarity, seed 0" in json.dumps(report.to_json())
    assert all(metric.queries == 3 for metric in report.metrics if metric.name.startswith("VCMR"))


@pytest.mark.parametrize(
    ("kind", "protocol", "ranked_by"),
    [
        ("fine", "P1", "{fine}"),
        ("coarse", "P2", "{coarse}"),
        ("coarse+fine", "P3", "{coarse}"),
        ("joined", "P4", "{coarse}. {fine}"),
    ],
)
def test_each_stage_reads_the_sentences_of_the_protocol(world, tmp_path, kind, protocol, ranked_by):
    folder, library = world
    annotations = tmp_path / "annotations"
    shutil.copytree(folder / "set" / "annotations", annotations)
    fine = read_truth(annotations / "queries.test.jsonl")
    captions = [
        {"caption_id": f"{query.video_id}-c{n}", "video_id": query.video_id, "text": text, "variant": n}
        for query in fine.queries
        for n, text in enumerate((f"about {query.text}", "a square"))
    ]
    (annotations / "coarse.test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in captions))
    pipeline = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))
    asked = read_asked(annotations, "test", kind)
    answers, report = evaluate_pipeline(pipeline, asked, resamples=0)
    assert report.rules.startswith(f"{protocol}: ")
    assert len(answers) == (3 if kind == "fine" else 6)
    texts = {row["caption_id"]: row["text"] for row in captions}
    sentences = {query.query_id: query.text for query in fine.queries}
    for answer, query in zip(answers, asked.truth.queries, strict=True):
        caption, _, sentence = answer.query_id.rpartition("+")
        words = {"coarse": texts.get(caption or answer.query_id), "fine": sentences.get(sentence)}
        (ranked,) = pipeline.rank_videos_many([ranked_by.format_map(words)], 3)
        assert answer.videos.video_ids == tuple(hit.video_id for hit in ranked)
        alone = pipeline.moments(words["fine"] or words["coarse"], query.video_id)
        assert answer.windows[0, :2] == pytest.approx([alone.hits[0].start_s, alone.hits[0].end_s])
    if kind in ("coarse+fine", "joined"):
        assert next(metric for metric in report.metrics if metric.name == "VR R@1").queries == 3
    with pytest.raises(DataError, match=r"'both'; expected one of fine, coarse, coarse\+fine, joined"):
        read_asked(annotations, "test", "both")


def test_a_report_counts_all_videos_and_its_answers_list_the_best(world, monkeypatch):
    folder, library = world
    pipeline = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))
    truth = read_truth(folder / "set" / "annotations" / "queries.test.jsonl")
    shared = truth.with_queries([replace(query, text="a square") for query in truth.queries])  # lenient: all are right
    for asked in (truth, shared):
        monkeypatch.setattr("coarse_to_fine.experiment.LISTED_VIDEOS", 100)
        every, whole = evaluate_pipeline(pipeline, asked)
        hits = pipeline.rank_videos_many([query.text for query in asked.queries], 3)
        for answer, ranked in zip(every, hits, strict=True):
            assert answer.videos.video_ids == tuple(hit.video_id for hit in ranked)
            assert answer.videos.scores.tolist() == [hit.score for hit in ranked]
        monkeypatch.setattr("coarse_to_fine.experiment.LISTED_VIDEOS", 1)
        best, report = evaluate_pipeline(pipeline, asked)
        assert [len(answer.videos) for answer in best] == [1, 1, 1]
        assert report.to_json() == whole.to_json() and report.value("VR MeanR") > 1


def test_queries_of_absent_videos_are_refused_by_id_or_left_out_by_request(world):
    folder, library = world
    pipeline = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))
    truth = read_truth(folder / "set" / "annotations" / "queries.test.jsonl")
    more = truth.with_queries([*truth.queries, replace(truth.queries[0], query_id="more", video_id="absent")])
    with pytest.raises(DataError, match=r"1 true video .*\(absent\).* --missing-video drop"):
        evaluate_pipeline(pipeline, more, resamples=0)
    _, report = evaluate_pipeline(pipeline, more, resamples=0, missing="drop")
    assert report.queries == 3 and any("absent" in warning for warning in report.warnings)


def test_windows_that_reach_past_or_fill_the_video_are_learned_from(tmp_path):
    """A 31 s video annotated with [0, 40], and one whose every clip is relevant, so that no clip is irrelevant."""
    lines = []
    for qid, windows in enumerate(([[0, 40]], [[0, 31]])):
        clips = list(range(15))
        row = {"qid": qid, "query": f"text {qid}", "vid": f"v{qid}", "duration": 31, "relevant_windows": windows}
        lines.append(json.dumps(row | {"relevant_clip_ids": clips, "saliency_scores": [[2, 3, 4]] * 15}) + "\n")
        write_npz(tmp_path / "clip" / f"v{qid}.npz", features=rows(qid, 15, 16))
        write_npz(tmp_path / "text" / f"qid{qid}.npz", last_hidden_state=rows(qid, 5, 8))
    path = tmp_path / "highlight_train_release.jsonl"
    path.write_text("".join(lines))
    found = load_annotations(path)
    assert found.report.counts == {"R04": 1} and found.queries[0].windows_s == ((0.0, 31.0),)
    stream = Stream(name="clip", form="npz", path=str(tmp_path / "clip"))
    import_set(found, PublishedFeatures(streams=(stream,), texts=Texts(path=str(tmp_path / "text"))), tmp_path / "out")
    torch.manual_seed(0)
    data = QdDetrData(training_examples(tmp_path / "out"), SMALL, QdDetrTargetsConfig(saliency="annotated"))
    generator = torch.Generator().manual_seed(0)
    losses = QdDetrTask(QdDetr(SMALL), data, [], DetectorLossConfig()).losses(data.batch([0, 1], generator), generator)
    losses.total.backward()
    assert bool(torch.isfinite(losses.total.detach()))


def test_random_features_give_chance_with_seven_texts_and_eleven_videos():
    rng = np.random.default_rng(0)
    truth = torch.tensor([0, 1, 1, 4, 10, 10, 6])
    recalls = np.array(
        [
            [text_to_video(torch.from_numpy(rng.normal(size=(7, 11))), truth, (1, 5)).recall[k] for k in (1, 5)]
            for _ in range(400)
        ]
    )
    np.testing.assert_allclose(recalls.mean(axis=0), [100 / 11, 500 / 11], atol=3 * recalls.std(axis=0).max() / 20)


def test_exchanging_the_captions_of_the_candidates_changes_nothing():
    """A candidate is a video: what else is written about it must not enter the score of a text."""
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 11)))
    truth = torch.tensor([0, 1, 1, 4, 10, 10, 6])
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    turned = text_to_video(scores[:, order], torch.argsort(order)[truth])
    assert turned == text_to_video(scores, truth)


def test_a_caption_of_two_videos_bounds_the_report():
    """Two of three texts are the same sentence for different videos: nobody can rank both first."""
    videos = [VideoInfo(f"v{number}", 20.0) for number in range(3)]
    texts = ("a person opens a door", "a person opens a door", "a dog")
    queries = [MomentQuery(f"q{n}", f"v{n}", text, ((0.0, 5.0),), "test") for n, text in enumerate(texts)]
    truth = truth_from_records(queries, videos)
    ranked = {"a person opens a door": ("v0", "v1", "v2"), "a dog": ("v2", "v0", "v1")}
    answers = [
        QueryPrediction(query.query_id, videos=RankedVideos(ranked[query.text], np.array([3.0, 2.0, 1.0])))
        for query in queries
    ]
    report = pipeline_report(truth, answers, config=PipelineReportConfig(resamples=0, examples=0))
    values = {metric.name: metric.value for metric in report.metrics}
    assert values["VR best possible strict R@1"] == values["VR R@1"] == pytest.approx(200 / 3)
    assert values["VR lenient R@1"] == pytest.approx(100)
    assert "P1" in json.dumps(report.to_json())


def test_a_stage_on_extracted_features_measures_what_the_search_measures(world):
    folder, library = world
    coarse, fine = load_coarse("mean-pool"), load_fine("similarity")
    truth = read_truth(folder / "set" / "annotations" / "queries.test.jsonl")
    _, joined = evaluate_pipeline(Pipeline(library, coarse, fine), truth, resamples=0)
    _, moments = evaluate_fine(fine, folder / "set", nms=0.7, resamples=0)
    _, videos = evaluate_coarse(coarse, folder / "set", resamples=0)
    for name in ("R1@0.3", "R5@0.5", "mIoU"):
        assert moments.value(name) == pytest.approx(joined.value(name))
    for name in ("R@1", "MRR"):
        assert videos.value(name) == pytest.approx(joined.value(f"VR {name}"))
    assert library.encoder_name in moments.predictions


def test_released_post_processing_and_dual_softmax_are_asked_for_by_name(world):
    folder, _ = world
    coarse, fine = load_coarse("mean-pool"), load_fine("similarity")
    plain, _ = evaluate_fine(fine, folder / "set", resamples=0)
    rounded, report = evaluate_fine(fine, folder / "set", official="qvhighlights", resamples=0)
    for before, after in zip(plain, rounded, strict=True):
        assert np.array_equal(after.windows[:, :2], 2 * np.round(before.windows[:, :2].astype(np.float32) / 2))
    assert "official post-processing of qvhighlights" in report.predictions
    fewer, _ = evaluate_fine(fine, folder / "set", official="charades", nms=0.3, resamples=0)
    assert all(len(after.windows) <= len(before.windows) for before, after in zip(plain, fewer, strict=True))
    with pytest.raises(ConfigError, match=r"'x'; expected one of qvhighlights, charades"):
        evaluate_fine(fine, folder / "set", official="x", resamples=0)
    ranked, _ = evaluate_coarse(coarse, folder / "set", resamples=0)
    weighted, report = evaluate_coarse(coarse, folder / "set", dual_softmax=True, resamples=0)
    names = ranked[0].videos.video_ids
    table = [[each.videos.scores[each.videos.video_ids.index(name)] for name in names] for each in ranked]
    expected = dual_softmax(torch.tensor(np.array(table)))
    for each, row in zip(weighted, expected.numpy(), strict=True):
        scores = [each.videos.scores[each.videos.video_ids.index(name)] for name in names]
        np.testing.assert_allclose(scores, row, atol=1e-5)
    assert "dual softmax" in report.predictions


def test_a_split_without_windows_gets_its_submission(world, ctf, tmp_path):  # noqa: F811
    """Rows as the server of QVHighlights takes them; the same moments as where the windows are known."""
    folder, _ = world
    known, hidden = tmp_path / "known", tmp_path / "hidden"
    asked = [json.loads(line) for line in (folder / "set/annotations/queries.test.jsonl").read_text().splitlines()]
    for place, windows in ((known, True), (hidden, False)):
        shutil.copytree(folder / "set", place)
        for path in place.glob("annotations/*.test.jsonl"):
            path.write_text("")
        name, kind = ("queries", "query_id") if windows else ("coarse", "caption_id")
        rows = [
            {kind: str(7 + number), "video_id": row["video_id"], "text": row["text"]}
            | ({"windows_s": row["windows_s"]} if windows else {})
            for number, row in enumerate(asked)
        ]
        (place / f"annotations/{name}.test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept = {place: place / "submission.jsonl" for place in (known, hidden)}
    for place, file in kept.items():
        result = ctf("evaluate", "fine", place, "--fine", "similarity", "--predictions", file)
        assert result.code == 0, result.err
    assert result.out == "" and f"answers {len(asked)} sentences without windows" in result.err
    assert kept[known].read_bytes() == kept[hidden].read_bytes()
    for number, (row, line) in enumerate(zip(asked, kept[hidden].read_text().splitlines(), strict=True)):
        found = json.loads(line)
        assert list(found) == ["qid", "query", "vid", "pred_relevant_windows", "pred_saliency_scores"]
        assert (found["qid"], found["query"], found["vid"]) == (7 + number, row["text"], row["video_id"])
    measured = json.loads(ctf("evaluate", "fine", known, "--fine", "similarity", "--json").out)["metrics"]
    truth = known / "annotations" / "queries.test.jsonl"
    again = json.loads(ctf("evaluate", "predictions", "--predictions", kept[hidden], "--truth", truth, "--json").out)
    assert {name: again["metrics"][name] for name in measured} == measured
    result = ctf("evaluate", "fine", hidden, "--fine", "similarity")
    assert result.code == 2 and "no sentence has a window" in result.err and result.err.count("\n") == 1


def test_streams_in_another_order_than_the_model_reads_are_refused(tmp_path):
    for name, width in (("slowfast", 6), ("clip", 10)):
        write_npz(tmp_path / name / "v0.npz", features=rows(0, 5, width))
    write_npz(tmp_path / "text" / "qid0.npz", last_hidden_state=rows(0, 5, 8))
    row = {"qid": 0, "query": "a text", "vid": "v0", "duration": 10, "relevant_windows": [[2, 6]]}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    streams = tuple(Stream(name=name, form="npz", path=str(tmp_path / name)) for name in ("slowfast", "clip"))
    config = PublishedFeatures(streams=streams, texts=Texts(path=str(tmp_path / "text")))
    import_set(load_annotations(tmp_path / "train.jsonl"), config, tmp_path / "out")
    architecture = SMALL.model_copy(update={"video_feature_dims": (6, 10)})
    _, report = evaluate_fine(QdDetr(architecture).eval(), tmp_path / "out", resamples=0)
    assert report.queries == 1
    turned = SMALL.model_copy(update={"video_feature_dims": (10, 6)})
    with pytest.raises(DataError, match="have the streams slowfast 6, clip 10; the model reads block 10, block 6"):
        evaluate_fine(QdDetr(turned).eval(), tmp_path / "out", resamples=0)
    named = architecture.model_copy(update={"feature_names": ("clip", "slowfast")})
    with pytest.raises(DataError, match="in this order"):
        evaluate_fine(QdDetr(named).eval(), tmp_path / "out", resamples=0)
    recipe = QdDetrRecipe(name="qd-detr", architecture=turned)
    examples = training_examples(tmp_path / "out")
    with pytest.raises(DataError, match=r"training and validation share|in this order"):
        train_fine(FineTraining(recipe=recipe), examples, examples, tmp_path / "run")


def test_the_verbs_of_both_stages_run(world, ctf, tmp_path):  # noqa: F811
    folder, _ = world
    page, kept = tmp_path / "page.html", tmp_path / "answers.jsonl"
    result = ctf("evaluate", "fine", folder / "set", "--fine", "similarity", "--html", page, "--predictions", kept)
    assert result.code == 0 and "R1@0.5" in result.out and "<svg" in page.read_text(encoding="utf-8")
    truth = folder / "set" / "annotations" / "queries.test.jsonl"
    again = json.loads(ctf("evaluate", "predictions", "--predictions", kept, "--truth", truth, "--json").out)
    assert again["metrics"]["R1@0.5"] is not None
    assert json.loads(ctf("evaluate", "coarse", folder / "set", "--coarse", "mean-pool", "--json").out)["metrics"]
    options = "--fine", "similarity", "--official", "tacos", "--threshold", 0.1, "--lengths", "tacos", "--json"
    found = json.loads(ctf("evaluate", "fine", folder / "set", *options).out)
    assert "R1@0.1" in found["metrics"] and "official post-processing of tacos" in found["predictions"]
    found = json.loads(
        ctf("evaluate", "coarse", folder / "set", "--coarse", "mean-pool", "--dual-softmax", "--json").out
    )
    assert "dual softmax" in found["predictions"]
    result = ctf("evaluate", "coarse", folder / "set", "--coarse", "mean-pool", "--queries", "coarse")
    assert result.code == 2 and "no coarse.test.jsonl" in result.err
