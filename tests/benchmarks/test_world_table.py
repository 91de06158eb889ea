"""The table of systems and seeds: names of its rows, what it shares between runs, and a whole run on real files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from coarse_to_fine import Pipeline
from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.t_mass_v2.config import TMassV2Config
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.errors import UserError
from coarse_to_fine.evaluation.overlap import intersection_over_union
from coarse_to_fine.experiment import choose_fusion, read_queries
from coarse_to_fine.model_folders import save_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two T-MASS and one T-MASS-V2 in folders whose names say nothing."""
    folder = tmp_path_factory.mktemp("models")
    base = load_coarse("t-mass")
    for number in range(2):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for parameter in base.parameters():
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        save_model(base, folder / f"a{number}")
    config = TMassV2Config(**base.config.model_dump(), align_layers=1, align_heads=2, rescored=3)
    save_model(TMassV2(config), folder / "b0")
    return folder


def test_rows_are_named_after_the_model_that_a_folder_holds(trained):
    from world_systems import read_systems

    given = ["mean-pool", f"{trained}/a0,{trained}/a1", f"{trained}/b0", f"first seed={trained}/a0"]
    found = read_systems(given, "coarse")
    assert [(each.label, each.model, len(each.runs)) for each in found] == [
        ("mean-pool", "mean-pool", 1),
        ("t-mass", "t-mass", 2),
        ("t-mass-v2", "t-mass-v2", 1),
        ("first seed", "t-mass", 1),
    ]


def test_mixed_models_and_equal_names_are_refused(trained):
    from world_systems import read_systems

    with pytest.raises(UserError, match=r"\['t-mass', 't-mass-v2'\]"):
        read_systems([f"{trained}/a0,{trained}/b0"], "coarse")
    with pytest.raises(UserError, match="two coarse systems are called 't-mass'"):
        read_systems(["t-mass", f"{trained}/a0"], "coarse")


def test_shared_work_gives_the_same_answers_as_a_pipeline_of_its_own(searched, trained):
    from world_systems import Parts
    from world_table import found, located, ranked

    truth = read_queries(searched, "test")
    parts = Parts(searched / "library.ctf", None)
    for coarse in (f"{trained}/a0", f"{trained}/b0", f"{trained}/a0"):
        pipeline = parts.pipeline(coarse, "qd-detr")
        own = Pipeline.load(searched / "library.ctf", coarse=coarse, fine="qd-detr", fusion=pipeline.fusion)
        texts = [query.text for query in truth.queries]
        expected = own.search_many(texts, top_videos=2, top_moments=100, seed=1)
        for answer, hits in zip(found(pipeline, truth, 2, 1), expected, strict=True):
            assert list(answer.moments.video_ids) == [hit.video_id for hit in hits]
            assert answer.moments.spans[:, 2].tolist() == pytest.approx([hit.score for hit in hits], abs=1e-5)
        for answer, hits in zip(ranked(pipeline, truth, 1), own.rank_videos_many(texts, 6, 1), strict=True):
            assert answer.videos.scores.tolist() == [hit.score for hit in hits]
    given = own.moments_many([(query.text, query.video_id) for query in truth.queries])
    for answer, moments in zip(located(pipeline, truth), given, strict=True):
        assert answer.windows[:, 2].tolist() == pytest.approx([hit.score for hit in moments.hits], abs=1e-5)


def test_moments_of_six_and_ten_seconds_are_short_and_middle():
    from world_table import length_groups

    assert [name for name, _, _ in length_groups([6, 10])] == [
        "short moments, up to 6 s",
        "middle moments, 6 to 10 s",
        "long moments, above 10 s",
    ]


def test_a_run_gives_every_table_with_systems_seeds_and_lengths(searched, trained, tmp_path, capsys):
    import world_table

    given = ["--world", searched, "--library", searched / "library.ctf", "--coarse", "mean-pool"]
    given += [f"{trained}/a0,{trained}/a1", f"{trained}/b0", "--fine", "similarity", "peaks=similarity,similarity"]
    given += ["--lengths", 3, 5, "--top-videos", 3, "--resamples", 20, "--threads", 1, "--out", tmp_path / "table.md"]
    world_table.main([*map(str, given), "--val-world", str(searched), "--val-library", str(searched / "library.ctf"),
                      "--val-split", "test"])  # fmt: skip
    printed = capsys.readouterr()
    report = json.loads(printed.out.strip().splitlines()[-1])
    tables = report["tables"]
    assert len(tables) == 1 + 4 + 4
    assert set(tables["Stage one"]) == {"mean-pool", "t-mass", "t-mass-v2"}
    assert len(tables["Stage one"]["t-mass"]["VR R@1"]["runs"]) == 2
    fine = tables["Stage two, the true video given"]
    assert set(fine) == {"similarity", "peaks"}
    assert {"R1@0.5", "R5@0.7", "mIoU", "mAP", "HL-window-Hit1"} <= set(fine["similarity"])
    assert fine["peaks"]["mIoU"]["std"] == 0
    joined = tables["Both stages"]
    assert len(joined) == len(report["fusion"]) == 6
    assert len(joined["mean-pool x peaks"]["VCMR-R1@0.5"]["runs"]) == 2
    by_length = [tables[f"Stage two, the true video given: {name}"]["similarity"]["mIoU"]["queries"] for name in
                 ("short moments, up to 3 s", "middle moments, 3 to 5 s", "long moments, above 5 s")]  # fmt: skip
    assert by_length == [3, 2, 2]
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert text.count("| t-mass-v2 x similarity |") == 4
    assert text.index("## Stage one") < text.index("## Stage two") < text.index("## Both stages")
    assert "chosen on test" in printed.err


def test_the_fusion_that_is_chosen_finds_as_much_as_was_promised(searched):
    pipeline = Pipeline.load(searched / "library.ctf", coarse="mean-pool", fine="similarity")
    truth = read_queries(searched, "test")
    chosen, recall = choose_fusion(pipeline, truth, top_videos=4, threshold=0.1)
    pipeline.fusion = chosen
    first = pipeline.search_many([query.text for query in truth.queries], top_videos=4, top_moments=1)
    right = [
        hits[0].video_id == query.video_id
        and intersection_over_union(np.array([[hits[0].start_s, hits[0].end_s]]), query.windows).max() >= 0.1
        for query, hits in zip(truth.queries, first, strict=True)
    ]
    assert recall == pytest.approx(100 * np.mean(right))
