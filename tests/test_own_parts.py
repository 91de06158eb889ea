"""Models and encoders of one's own that break their contract are told so by name, not by an error of PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from coarse_to_fine.coarse_grained import COARSE_MODELS, load_coarse
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.errors import UserError
from coarse_to_fine.features.extract import extract_texts
from coarse_to_fine.fine_grained import FINE_MODELS, load_fine
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.types import MomentOutput, TextFeatures
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos

SENTENCE = "a red square moves"


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    write_videos(folder, 2)
    return folder


@pytest.fixture(scope="module")
def library(videos, tmp_path_factory):
    with Library.create(tmp_path_factory.mktemp("library") / "own.ctf", encoder=SmallEncoder()) as made:
        made.add(videos)
        yield made


class Nameless(CoarseModel):
    def video_cache(self, frames):
        return {"frames": frames.float()}

    def score_cached(self, text, cache, seed=0):
        return self.give(text, cache["frames"])

    def score(self, text, frames, seed=0):
        return self.give(text, frames)


class OwnCoarse(Nameless):
    name = "own-coarse"


class Uncached(OwnCoarse):
    def video_cache(self, frames):
        return frames


class OwnFine(FineModel):
    name = "own-fine"

    def video_cache(self, segment):
        return segment

    def locate(self, pairs, batch_size=8):
        return self.give(pairs)


def giving(model, give):
    model.give = give
    return model


def refused(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("give", "got"),
    [
        (lambda text, frames: torch.rand(len(frames), len(text)), r"a tensor of shape \(2, 1\)"),
        (lambda text, frames: torch.rand(len(frames)), r"a tensor of shape \(2,\)"),
        (lambda text, frames: torch.rand(len(text), 7), r"a tensor of shape \(1, 7\)"),
        (lambda text, frames: None, "a value None"),
        (lambda text, frames: torch.rand(len(text), len(frames)).numpy(), "a value of type ndarray"),
    ],
)
def test_scores_of_a_coarse_model_are_a_row_a_text(library, give, got):
    pipeline = Pipeline(library, giving(OwnCoarse(), give), load_fine("similarity"))
    refused(lambda: pipeline.search(SENTENCE), f"`score_cached` of the coarse model 'own-coarse' gave {got}; expected")


def test_a_model_has_a_name_and_its_cache_is_a_dict(library):
    fine = load_fine("similarity")
    refused(lambda: Pipeline(library, Nameless(), fine), "coarse is of type Nameless without a name; expected one")
    pipeline = Pipeline(library, Uncached(), fine)
    refused(lambda: pipeline.search(SENTENCE), "the cache of 'own-coarse' is of type Tensor; expected a dict")


def output(windows, scores, saliency=(0.0,)):
    return MomentOutput(torch.tensor(windows), torch.tensor(scores), torch.tensor(saliency))


@pytest.mark.parametrize(
    ("give", "got"),
    [
        (lambda pairs: None, "a value None for 2 pairs"),
        (lambda pairs: output([[0.0, 1.0]], [0.5]), "a value of type MomentOutput for 2 pairs"),
        (lambda pairs: [output([[0.0, 1.0]], [0.5])], "a list of 1 for 2 pairs"),
        (lambda pairs: [((0, 2), 0.5)] * len(pairs), r"a list of 2, one of them \(\(0, 2\), 0.5\) for"),
        (lambda pairs: [output([0.0, 1.0], [0.5])] * len(pairs), r"one of them with windows_s \(2,\), scores \(1,\)"),
        (lambda pairs: [output([[0.0, 1.0]], [0.5, 0.1])] * len(pairs), r"with windows_s \(1, 2\), scores \(2,\)"),
        (lambda pairs: [MomentOutput([[0, 1]], [0.5], [0.0])] * len(pairs), "with windows_s no tensor"),
    ],
)
def test_a_fine_model_gives_an_output_a_pair(library, give, got):
    pipeline = Pipeline(library, load_coarse("mean-pool"), giving(OwnFine(), give))
    refused(lambda: pipeline.search(SENTENCE), f"`locate` of the fine model 'own-fine' gave .*{got}")


def test_an_output_without_windows_is_one(library):
    nothing = giving(OwnFine(), lambda pairs: [MomentOutput(torch.zeros(0, 2), torch.zeros(0), torch.zeros(2))] * 2)
    assert Pipeline(library, load_coarse("mean-pool"), nothing).search(SENTENCE) == []


@pytest.mark.parametrize(
    ("encode", "got"),
    [
        (lambda pictures: None, "a value None"),
        (lambda pictures: torch.rand(len(pictures), 15), r"a tensor of shape \(\d+, 15\)"),
        (lambda pictures: torch.rand(1, 16), r"a tensor of shape \(1, 16\)"),
        (lambda pictures: torch.rand(len(pictures), 16).numpy(), "a value of type ndarray"),
    ],
)
def test_an_encoder_gives_a_row_a_picture(tmp_path, videos, encode, got):
    encoder = SmallEncoder()
    encoder.encode_images = encode
    with Library.create(tmp_path / "broken.ctf", encoder=encoder) as library:
        refused(lambda: library.add(videos), f"`encode_images` of the encoder 'small-0' gave {got}; expected")


@pytest.mark.parametrize(
    ("encode", "got"),
    [
        (lambda sentences: None, "a value None"),
        (lambda sentences: [], r"a value \[\]"),
        (lambda sentences: torch.rand(len(sentences), 16), r"a tensor of shape \(1, 16\)"),
        (lambda sentences: [torch.rand(16) for _ in sentences], "a list with a value of type Tensor"),
        (
            lambda sentences: [TextFeatures(s, torch.rand(5), torch.rand(1, 8)) for s in sentences],
            r"embedding .*\(5,\)",
        ),
        (lambda sentences: [TextFeatures(s, torch.rand(16), torch.rand(8)) for s in sentences], r"tokens .*\(8,\)"),
    ],
)
def test_an_encoder_gives_features_a_sentence(tmp_path, library, encode, got):
    encoder = SmallEncoder()
    encoder.encode_text = encode
    with Library.open(library.path, encoder=encoder) as broken:
        pipeline = Pipeline(broken, load_coarse("mean-pool"), load_fine("similarity"))
        for way in (lambda: pipeline.search(SENTENCE), lambda: extract_texts([SENTENCE], encoder, tmp_path / "texts")):
            refused(way, f"`encode_text` of the encoder 'small-0' gave .*{got}.*; expected a TextFeatures a sentence")


@pytest.mark.parametrize("model_class", [*COARSE_MODELS.values(), *FINE_MODELS.values()])
@pytest.mark.parametrize("given", [{}, {"embed_dim": 4}, "t-mass", 5, Library])
def test_a_model_is_built_from_its_own_config(model_class, given):
    wanted = model_class.config_class.__name__
    refused(
        lambda: model_class(given),
        rf"^the architecture of '{model_class.name}' is .*; expected a {wanted}; "
        rf"make one: {model_class.__name__}\({wanted}\(\.\.\.\)\)$",
    )


@pytest.mark.parametrize("score", [torch.nan, torch.inf, -torch.inf])
def test_scores_of_a_coarse_model_are_finite(library, score):
    pipeline = Pipeline(
        library, giving(OwnCoarse(), lambda t, f: torch.full((len(t), len(f)), score)), load_fine("similarity")
    )
    message = f"^the coarse model 'own-coarse' gave the segment 'v000#0' the score {score}; expected a finite number; "
    refused(lambda: pipeline.search(SENTENCE), message)
    refused(lambda: pipeline.rank_videos(SENTENCE), message)
    refused(lambda: pipeline.search(SENTENCE, among=["v000"]), message)
    refused(lambda: pipeline.score_videos_many([SENTENCE]), message)
    assert pipeline.search(SENTENCE, among=[]) == []


def test_one_score_that_is_no_number_is_enough(library):
    half = giving(OwnCoarse(), lambda t, f: torch.tensor([[0.5, torch.nan]]).expand(len(t), -1)[:, : len(f)])
    pipeline = Pipeline(library, half, load_fine("similarity"))
    refused(lambda: pipeline.search(SENTENCE), "gave the segment 'v001#0' the score nan")
    assert {hit.video_id for hit in pipeline.search(SENTENCE, among=["v000"])} == {"v000"}


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
@pytest.mark.parametrize("part", ["windows_s", "scores"])
def test_windows_and_scores_of_a_fine_model_are_finite(library, part, number):
    windows, scores = torch.tensor([[0.0, 1.0]]), torch.tensor([0.5])
    {"windows_s": windows, "scores": scores}[part][..., -1] = number
    wrong = MomentOutput(windows, scores, torch.zeros(2))
    pipeline = Pipeline(library, load_coarse("mean-pool"), giving(OwnFine(), lambda pairs: [wrong] * len(pairs)))
    message = f"^`locate` of the fine model 'own-fine' gave {part} with inf or NaN; expected finite numbers; mend the"
    refused(lambda: pipeline.search(SENTENCE), message)
    refused(lambda: pipeline.moments(SENTENCE, "v000"), message)


def test_text_embeddings_of_an_encoder_are_finite(library):
    encoder = SmallEncoder()
    plain = encoder.encode_text
    encoder.encode_text = lambda sentences: [replace(text, tokens=text.tokens * torch.nan) for text in plain(sentences)]
    with Library.open(library.path, encoder=encoder) as opened:
        pipeline = Pipeline(opened, load_coarse("mean-pool"), load_fine("similarity"))
        refused(lambda: pipeline.search(SENTENCE), "`encode_text` of the encoder 'small-0' gave inf or NaN; expected")


def test_a_model_that_is_stored_has_a_configuration(tmp_path):
    for config in (None, {"width": 3}):
        model = OwnCoarse()
        model.config = config
        refused(
            lambda: model.save_pretrained(tmp_path / "own"),  # noqa: B023
            "the model 'own-coarse' has the config_class None and the config .*; expected a configuration "
            "and an object of it, from which it is built again; set both in its class",
        )
    assert not (tmp_path / "own").exists()


def test_a_model_calls_the_constructor_of_its_contract(library):
    class Unmade(OwnCoarse):
        def __init__(self):
            self.width = 3

    refused(lambda: Pipeline(library, Unmade(), load_fine("similarity")), "coarse is of type Unmade that is not set up")


@pytest.mark.parametrize("load", [load_coarse, load_fine])
@pytest.mark.parametrize("given", [None, 5, OwnCoarse, ["t-mass"]])
def test_models_are_loaded_by_name_or_folder(load, given):
    refused(
        lambda: load(given), r"^the (coarse|fine) model is .*; expected a path; give a name or the path of a folder"
    )
    refused(lambda: load("mean-pool", weights=given or 5), "^the folder of weights is .*; expected a path; give its")


@pytest.mark.parametrize("name", ["mean-pool", "t-mass"])
@pytest.mark.parametrize("given", [[SENTENCE], SENTENCE, [torch.zeros(2, 2)]])
def test_coarse_models_score_tensors(name, given):
    model, frames, text = load_coarse(name), torch.rand(2, 12, 160), torch.rand(1, 160)
    refused(lambda: model.score(given, frames), "^text embeddings are a value .*; expected a tensor; encode with")
    refused(lambda: model.score(text, given), "^frame embeddings are a value .*; expected a tensor; encode with")
    refused(lambda: model.score_cached(given, model.video_cache(frames)), "^text embeddings are a value ")


@pytest.mark.parametrize("name", FINE_MODELS)
@pytest.mark.parametrize("given", [torch.rand(4, 160), "v000#0", None])
def test_fine_models_look_into_the_features_of_a_segment(name, given):
    message = "^the segment is .*; expected its SegmentFeatures; read them with `segment_features` of a library"
    refused(lambda: load_fine(name).video_cache(given), message)
