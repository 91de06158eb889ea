"""The configuration of a whole experiment: data set, encoder, both stages, evaluation, seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, Lengths
from coarse_to_fine.features.published.config import PublishedFeatures
from coarse_to_fine.fine_grained.postprocess import Official
from coarse_to_fine.frozen_config import FrozenConfig

Missing = Literal["refuse", "drop"]
QueryKind = Literal["fine", "coarse", "coarse+fine", "joined"]


class WorldData(FrozenConfig):
    """The drawn world: training features from drawn frames, validation and test from rendered and decoded files."""

    kind: Literal["world"] = Field(description="the drawn world")
    train: int = Field(default=400, ge=1, description="videos that are learned from")
    val: int = Field(default=60, ge=1, description="videos that select checkpoints and fusion weights")
    test: int = Field(default=100, ge=1, description="videos that are reported on")


class SplitFile(FrozenConfig):
    """The annotations of one split."""

    annotations: str = Field(description="annotation file of any supported data set")
    text_ids: str | None = Field(
        default=None, description="annotation file whose query ids name published text features, where it is another"
    )


class _AnnotatedData(FrozenConfig):
    root: str = Field(default=".", description="folder that the other paths of this section start from")
    train: SplitFile = Field(description="what is learned from")
    val: SplitFile | None = Field(
        default=None, description="what selects; none: videos held out of the training split (`holdout`)"
    )
    test: SplitFile | None = Field(default=None, description="what is reported on; none: the validation split")
    holdout: float = Field(
        default=0.1, gt=0, lt=1, description="part of the training videos that selects where there is no val file"
    )
    missing: Missing = Field(
        default="refuse", description="videos without a file or features: refuse, or drop with their queries"
    )

    def path(self, name: str) -> Path:
        """A path of this section."""
        return Path(self.root).expanduser() / name


class VideoData(_AnnotatedData):
    """Annotation files and a folder of videos."""

    kind: Literal["videos"] = Field(description="annotation files with their videos")
    videos: str = Field(description="folder with one file a video id, at any depth")


class PublishedData(_AnnotatedData):
    """Annotation files and published features of their videos and sentences; for the fine stage alone."""

    kind: Literal["published"] = Field(description="annotation files with published features")
    features: PublishedFeatures = Field(description="the feature files, paths from `root`")
    float32: bool = Field(default=False, description="store float32 instead of float16")


class Captions(FrozenConfig):
    """Coarse captions of whole videos, from which the coarse stage learns too."""

    file: str | None = Field(
        default=None, description="file of captions, or folder in our layout; none: made from fine sentences"
    )
    variants: int = Field(default=5, ge=1, description="captions made for a video, or that each should have")
    sentences: int = Field(default=2, ge=2, description="fine sentences that a caption joins")
    all_passes: bool = Field(
        default=False,
        description="make from every annotation pass, which leaves none to measure by; measure given ones by all",
    )
    endpoint: str | None = Field(default=None, description="YAML file of a chat endpoint that is asked first")


class Stage(FrozenConfig):
    """A stage: trained by a configuration file, or a model that is there."""

    config: str | None = Field(default=None, description="training configuration, such as configs/fine/...yaml")
    set: dict[str, Any] = Field(default={}, description="values laid over that file, nested as they are there")
    seed: int | None = Field(default=None, ge=0, description="seed of the training; none: that of the file")
    model: str | None = Field(default=None, description="name or folder of a model that needs no training here")

    @model_validator(mode="after")
    def _config_or_model(self) -> Stage:
        if (self.config is None) == (self.model is None):
            raise ValueError("give config (a training configuration) or model (a name or folder), one of them")
        if self.model is not None and (self.set or self.seed is not None):
            raise ValueError("set and seed belong to a training; with model there is none")
        return self

    @property
    def trained(self) -> bool:
        return self.config is not None


class Evaluation(FrozenConfig):
    """How both stages are measured."""

    queries: tuple[QueryKind, ...] = Field(
        default=("fine",),
        min_length=1,
        description="fine: sentences of moments; coarse: captions of whole videos; coarse+fine: a caption ranks the "
        "videos, a sentence finds the moment; joined: both as one text rank the videos",
    )
    top_videos: int = Field(default=10, ge=1, description="videos that the fine stage looks into")
    thresholds: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=RECALL_THRESHOLDS, min_length=1, description="IoU thresholds of recalls"
    )
    lengths: Lengths = Field(
        default="qvhighlights",
        description="ranges of window length in a report of the fine stage alone; tacos adds 150 to 600 s",
    )
    official: Official | None = Field(
        default=None,
        description="set by whose released post-processing a fine stage alone has its windows rounded and clamped",
    )
    resamples: int = Field(default=1000, ge=0, description="bootstrap resamples over videos; 0: no intervals")
    seed: int = Field(default=0, ge=0, description="of the stochastic text of T-MASS")


class RunFile(FrozenConfig):
    """Everything that decides the outcome of an experiment."""

    name: str = Field(min_length=1, description="title of the report")
    data: Annotated[WorldData | VideoData | PublishedData, Field(discriminator="kind")] = Field(
        description="what is learned from and measured on"
    )
    seed: int = Field(default=0, ge=0, description="of the drawn world and of the choice of held-out videos")
    encoder: str = Field(default="tiny-world", description="image-text encoder: a name or a folder")
    captions: Captions | None = Field(default=None, description="coarse captions; none: only those of the data set")
    coarse: Stage | None = Field(default=None, description="stage one; none only with published features")
    fine: Stage = Field(description="stage two")
    evaluation: Evaluation = Field(default=Evaluation(), description="how it is measured")
    workers: int = Field(default=2, ge=1, description="processes that draw, threads that decode")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps: of encoding and searching")

    @model_validator(mode="after")
    def _combinations(self) -> RunFile:
        published = isinstance(self.data, PublishedData)
        if published and (self.coarse is not None or self.captions is not None):
            raise ValueError(
                "published features hold no coarse frames, so there is no stage one to train and no library to search; "
                "leave coarse and captions out, or give the videos (kind: videos)"
            )
        if published and self.evaluation.queries != ("fine",):
            raise ValueError("published features answer fine queries only; leave evaluation.queries out")
        if not published and self.coarse is None:
            raise ValueError("coarse is missing; add it, for instance `coarse: {model: mean-pool}`")
        if isinstance(self.data, WorldData) and self.captions is not None:
            raise ValueError("the drawn world brings its own captions; leave captions out")
        captioned = [kind for kind in self.evaluation.queries if kind != "fine"]
        if isinstance(self.data, VideoData) and captioned and self.captions is None:
            raise ValueError(
                f"evaluation.queries has {captioned[0]} and there are no captions; add the section captions"
            )
        return self

    @property
    def tested(self) -> str:
        """The split that is reported on."""
        return "val" if not isinstance(self.data, WorldData) and self.data.test is None else "test"

    @property
    def splits(self) -> tuple[str, ...]:
        """All splits, each once."""
        return ("train", "val", "test") if self.tested == "test" else ("train", "val")

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages that there are, by name."""
        return {"coarse": self.coarse, "fine": self.fine} if self.coarse is not None else {"fine": self.fine}
