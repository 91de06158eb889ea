"""The page offers the stage models that work with its library, and searches with the chosen ones."""

from __future__ import annotations

import httpx
import pytest

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.web.stages import Stages
from tests.library.small_videos import write_video
from tests.web.conftest import Served


@pytest.fixture(scope="module")
def world_pipeline(tmp_path_factory):
    """Two videos by the bundled encoder, for which there are bundled models."""
    folder = tmp_path_factory.mktemp("stages")
    for number in range(2):
        write_video(folder / "videos" / f"v{number}.mp4", 8, number)
    with Library.create(folder / "library.ctf") as library:
        library.add(folder / "videos")
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


def test_what_is_in_use_comes_first_and_what_lacks_weights_is_left_out(world_pipeline, pipeline):
    stages = Stages(world_pipeline)
    assert stages.coarse[0] == "mean-pool"
    assert "t-mass" in stages.coarse
    assert stages.fine[0] == "similarity"
    assert {"qd-detr", "mesm"} <= set(stages.fine)
    assert "t-mass-v2" not in stages.coarse
    foreign = Stages(pipeline)
    assert (foreign.coarse, foreign.fine) == (["mean-pool"], ["similarity"])


def test_a_pipeline_is_loaded_once_and_shares_what_stays(world_pipeline):
    stages = Stages(world_pipeline)
    assert stages.pipeline() is stages.pipeline("mean-pool", "similarity") is world_pipeline
    other = stages.pipeline(fine="qd-detr")
    assert other is stages.pipeline("mean-pool", "qd-detr")
    assert (other.coarse_name, other.fine_name) == ("mean-pool", "qd-detr")
    assert other.library is world_pipeline.library
    with pytest.raises(UserError, match="expected one of similarity"):
        stages.pipeline(fine="../../secret")


def test_a_search_takes_the_asked_models(world_pipeline):
    served = Served(world_pipeline)
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            about = client.get("/api/library").json()
            assert about["fine_models"] == Stages(world_pipeline).fine
            answers = [
                client.get("/api/search", params={"q": "a red cat jumps", **models}).json()["hits"]
                for models in ({}, {"fine": "qd-detr"}, {"coarse": "t-mass"}, {})
            ]
            assert answers[0] == answers[3]
            assert answers[0] != answers[1]
            assert answers[0][0]["coarse_score"] != answers[2][0]["coarse_score"]
            curves = [
                client.get("/api/videos/v0/moments", params={"q": "a red cat jumps", **models}).json()["saliency"]
                for models in ({}, {"fine": "qd-detr"})
            ]
            assert curves[0] != curves[1]
            assert client.get("/api/search", params={"q": "a cat", "fine": "best"}).status_code == 422
    finally:
        served.stop()
