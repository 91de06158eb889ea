"""Training samples: a scene as several frames with their captions and the facts about their objects.

Axes: N scenes, F frames of a scene, K sentences of a frame, T tokens, Q objects asked about, P patches, A labels,
S side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from coarse_to_fine.data_generation.world.frame_captions import Sight, sights
from coarse_to_fine.data_generation.world.kinds import DRAWINGS
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.scene import Scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.pretraining.captions import FrameCaption, captions_of_frame, distractor, readable_event
from coarse_to_fine.encoders.pretraining.crowds import crowd, tiles
from coarse_to_fine.encoders.pretraining.labels import LABELS, action_label, object_labels, place_label
from coarse_to_fine.encoders.pretraining.pictures import drawn_picture
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.training import Batch, TrainingData

QUESTIONS = 8
POSE_VALUES = 8
PATCH_POSE_VALUES = 7
_COLOURS = tuple(COLOURS)


@dataclass(frozen=True, slots=True)
class SceneSamples:
    """The tensors of a batch of scenes.

    Attributes:
        pictures: (N, F, S, S, 3) prepared pictures.
        ids: (N, F, K, T) token ids, padded with the end token.
        truth: (N, F, K, F) HOLDS, FAILS or UNCLEAR: caption (frame, k) about each frame of its scene.
        asked: (N, F, Q, 2) kind and colour of the objects asked about; half of them are not in the frame.
        present: (N, F, Q) 1 where the object is in the frame.
        poses: (N, F, Q, 8) x, altitude, size, sine and cosine of the angle, opacity, facing, middle height.
        patches: (N, F, P, 2) kind and colour of what covers the middle of a patch; the number of kinds or colours
            stands for "background".
        patch_poses: (N, F, P, 7) how far right and down the object's middle is from the patch's, in patches; size,
            sine and cosine of the angle, opacity, facing; 0 on the background.
        picture_labels: (N, F, A) which labels are true of a frame (`labels.py`).
        text_labels: (N, F, K, A) which labels a sentence tells; none for distractors.
    """

    pictures: UInt8[Tensor, "N F S S 3"]
    ids: Int[Tensor, "N F K T"]
    truth: Int[Tensor, "N F K F"]
    asked: Int[Tensor, "N F Q 2"]
    present: Float[Tensor, "N F Q"]
    poses: Float[Tensor, "N F Q 8"]
    patches: Int[Tensor, "N F P 2"]
    patch_poses: Float[Tensor, "N F P 7"]
    picture_labels: Bool[Tensor, "N F A"]
    text_labels: Bool[Tensor, "N F K A"]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One drawn frame: captions with the distractors behind them, picture, facts in the order of `SceneSamples`."""

    captions: Sequence[FrameCaption]
    picture: UInt8[Tensor, "S S 3"]
    facts: tuple[Tensor, ...]


class WorldFrames(TrainingData):
    """Scenes of the training split of the drawn world, drawn anew whenever they are asked for."""

    def __init__(
        self,
        scenes: int,
        frames: int,
        captions: int,
        tokenizer_json: str,
        context: int,
        preprocessing: Preprocessing,
        patch_grid: int,
        distractors: int = 0,
        crowd_share: float = 0.0,
        tiled: bool = False,
    ) -> None:
        """Describe the samples; nothing is drawn yet.

        Args:
            scenes: how many; their seeds count from 0.
            frames: frames of a scene in a sample (F).
            captions: captions of a frame.
            tokenizer_json: the tokenizer, as text so that it can be sent to other processes.
            context: most ids of a caption.
            preprocessing: rule for pictures.
            patch_grid: patches in a row of the picture.
            distractors: sentences a frame that fail on it; they come after its captions, so K is the sum of both.
            crowd_share: share of scenes whose frames are arrangements of a crowd.
            tiled: show every scene as tiles instead.
        """
        self._scenes = scenes
        self._frames, self._captions, self._grid = frames, captions, patch_grid
        self._tokenizer_json, self._context, self._preprocessing = tokenizer_json, context, preprocessing
        self._distractors = distractors
        self._crowd_share, self._tiled = crowd_share, tiled
        self._tokenizer: ClipTokenizer | None = None

    @property
    def context(self) -> int:
        """Most ids of a caption."""
        return self._context

    @property
    def end_id(self) -> int:
        """The id that stands for the end and for padding."""
        return self._read_tokenizer().end_id

    def __len__(self) -> int:
        return self._scenes

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
        scenes = [sample_scene(index, "train") for index in indices]
        samples = self._samples(scenes, rng)
        return Batch(samples, [scene.video_id for scene in scenes], patch_counts(samples))

    def _samples(self, scenes: Sequence[Scene], rng: random.Random) -> SceneSamples:
        frames = [frame for scene in scenes for frame in self._frames_of(scene, rng)]
        captions = [caption for frame in frames for caption in frame.captions]
        of_frames = (len(scenes), self._frames)
        of_captions = (*of_frames, self._captions + self._distractors)
        columns = (_grouped(torch.stack(list(column)), *of_frames) for column in zip(*(one.facts for one in frames)))
        asked, present, poses, patches, patch_poses, picture_labels = columns
        return SceneSamples(
            pictures=_grouped(torch.stack([frame.picture for frame in frames]), *of_frames),
            ids=_grouped(self._ids([caption.text for caption in captions]), *of_captions),
            truth=_grouped(torch.tensor([caption.truth for caption in captions]), *of_captions),
            asked=asked,
            present=present,
            poses=poses,
            patches=patches,
            patch_poses=patch_poses,
            picture_labels=picture_labels,
            text_labels=_grouped(torch.stack([multi_hot(caption.labels) for caption in captions]), *of_captions),
        )

    def _frames_of(self, scene: Scene, rng: random.Random) -> Iterator[_Frame]:
        """Frames of one scene; every value is drawn from `rng` in the order in which it stands here."""
        times_s = frame_times(scene, self._frames, rng)
        stands = self._stands(scene, rng)
        seen = [sights(one, time_s) for one, time_s in zip(stands, times_s)]
        for frame, (one, time_s) in enumerate(zip(stands, times_s)):
            captions = captions_of_frame(one, times_s, frame, self._captions, rng, seen)
            captions += [distractor(rng.choice(captions), one, frame, rng) for _ in range(self._distractors)]
            picture = drawn_picture(one, time_s, self._preprocessing, rng)
            objects, patches = object_facts(one, time_s, rng), patch_facts(one, time_s, self._grid)
            yield _Frame(captions, picture, (*objects, *patches, multi_hot(frame_labels(one, time_s))))

    def _stands(self, scene: Scene, rng: random.Random) -> list[Scene]:
        """What each frame shows: the scene itself, tiles of it, or an arrangement of a crowd."""
        if self._tiled:
            return [tiles(scene, rng) for _ in range(self._frames)]
        if rng.random() < self._crowd_share:
            return crowd(scene, self._frames, rng)
        return [scene] * self._frames

    def some_pictures(self, count: int, generator: torch.Generator) -> UInt8[Tensor, "M S S 3"]:
        """One frame each of the first `count` scenes, for statistics."""
        rng = random.Random(int(torch.randint(2**62, (1,), generator=generator)))
        scenes = [sample_scene(index, "train") for index in range(count)]
        times_s = [frame_times(scene, 1, rng)[0] for scene in scenes]
        return torch.stack([drawn_picture(one, at, self._preprocessing, rng) for one, at in zip(scenes, times_s)])

    def _ids(self, texts: Sequence[str]) -> Int[Tensor, "M T"]:
        tokenizer = self._read_tokenizer()
        read = tokenizer.tokenize(texts)
        ids = torch.full((len(read), max(len(one.ids) for one in read)), tokenizer.end_id)
        for row, one in zip(ids, read):
            row[: len(one.ids)] = torch.tensor(one.ids)
        return ids

    def _read_tokenizer(self) -> ClipTokenizer:
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = ClipTokenizer(Tokenizer.from_str(self._tokenizer_json), self._context)
        return self._tokenizer


def patch_counts(samples: SceneSamples) -> dict[str, float]:
    """How many patches show an object, and how many none; the loss of the patches is divided by them."""
    covered = float((samples.patches[..., 0] != len(KINDS)).sum())
    return {"covered": covered, "bare": samples.patches[..., 0].numel() - covered}


def _grouped(rows: Tensor, *sizes: int) -> Tensor:
    """Rows in groups: the first axis split into these sizes."""
    return rows.reshape(*sizes, *rows.shape[1:])


def frame_times(scene: Scene, count: int, rng: random.Random) -> list[float]:
    """Instants of a scene: three quarters of them within events, no event twice while there are others."""
    events = rng.sample(scene.events, min(count, len(scene.events)))
    times = []
    for index in range(count):
        if rng.random() < 0.75 and index < len(events):
            event = events[index]
            times.append(rng.uniform(event.start_s, event.end_s - 1e-3))
        else:
            times.append(rng.uniform(0.0, scene.duration_s))
    return times


def object_facts(
    scene: Scene, time_s: float, rng: random.Random
) -> tuple[Int[Tensor, "Q 2"], Float[Tensor, " Q"], Float[Tensor, "Q 8"]]:
    """Objects to ask about: those in the frame, filled up with others of which many share a kind or a colour."""
    visible = {_names(sight) for sight in sights(scene, time_s)}
    seen = sights(scene, time_s)
    seen = rng.sample(seen, min(len(seen), QUESTIONS // 2 + 1))
    asked = [_names(sight) for sight in seen]
    poses = [_pose(scene, sight, time_s) for sight in seen]
    while len(asked) < QUESTIONS:
        kind, colour = rng.randrange(len(KINDS)), rng.randrange(len(_COLOURS))
        if seen and rng.random() < 0.9:
            near = _names(rng.choice(seen))
            kind, colour = (near[0], colour) if rng.random() < 0.5 else (kind, near[1])
        if (kind, colour) not in visible:
            asked.append((kind, colour))
    present = torch.zeros(QUESTIONS)
    present[: len(seen)] = 1.0
    values = torch.zeros(QUESTIONS, POSE_VALUES)
    if poses:
        values[: len(seen)] = torch.tensor(poses)
    return torch.tensor(asked), present, values


def patch_facts(scene: Scene, time_s: float, grid: int) -> tuple[Int[Tensor, "P 2"], Float[Tensor, "P 7"]]:
    """What covers the middle of each patch, the nearest object first; boxes stand for outlines."""
    _, camera_y = scene.camera.offset(time_s)
    facts = torch.tensor([len(KINDS), len(_COLOURS)]).repeat(grid, grid, 1)
    poses = torch.zeros(grid, grid, PATCH_POSE_VALUES)
    middles = (torch.arange(grid) + 0.5) / grid
    for sight in sorted(sights(scene, time_s), key=lambda one: (one.pose.in_front, one.actor.ground)):
        middle_y = sight.actor.ground - sight.pose.altitude - 0.5 * sight.pose.size - camera_y
        half = max(0.7 * DRAWINGS[sight.actor.kind].half_width * sight.pose.size / scene.aspect, 0.5 / grid)
        across, down = sight.x - middles, middle_y - middles
        covered = (down.abs() < max(0.42 * sight.pose.size, 0.5 / grid))[:, None] & (across.abs() < half)[None, :]
        facts[covered] = torch.tensor(_names(sight))
        rows, columns = covered.nonzero(as_tuple=True)
        poses[rows, columns, 0] = across[columns] * grid
        poses[rows, columns, 1] = down[rows] * grid
        poses[rows, columns, 2:] = torch.tensor(_pose(scene, sight, time_s)[2:7])
    return facts.flatten(0, 1), poses.flatten(0, 1)


def frame_labels(scene: Scene, time_s: float) -> list[int]:
    """All labels that are true of a frame."""
    labels = [label for sight in sights(scene, time_s) for label in object_labels(sight)]
    event = readable_event(scene, time_s)
    return [*labels, place_label(scene.place), *([action_label(event.action)] if event is not None else [])]


def multi_hot(labels: Sequence[int]) -> Bool[Tensor, " A"]:
    row = torch.zeros(LABELS, dtype=torch.bool)
    row[list(labels)] = True
    return row


def _names(sight: Sight) -> tuple[int, int]:
    return KINDS.index(sight.actor.kind), _COLOURS.index(sight.actor.colour)


def _pose(scene: Scene, sight: Sight, time_s: float) -> list[float]:
    """The pose in numbers of about unit spread."""
    pose = sight.pose
    angle = torch.deg2rad(torch.tensor(pose.angle))
    middle_y = sight.actor.ground - pose.altitude - 0.5 * pose.size - scene.camera.offset(time_s)[1]
    facing = -0.5 if pose.faces_left else 0.5
    spread = [3 * (sight.x - 0.5), 3 * pose.altitude, 5 * (pose.size - 0.28)]
    return [*spread, float(angle.sin()), float(angle.cos()), 2 * (pose.alpha - 1), facing, 3 * (middle_y - 0.6)]
