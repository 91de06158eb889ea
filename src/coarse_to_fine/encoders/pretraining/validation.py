"""How well the towers know the drawn world: retrieval of captions and zero-shot answers, on scenes of another split.

Every measure is a share in [0, 1]; frames carry the marks of compression.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.data_generation.world.captions import event_sentence
from coarse_to_fine.data_generation.world.frame_captions import Sight, sights
from coarse_to_fine.data_generation.world.phrases import PLACE_PHRASES, PLAIN_PHRASES, SIDE_PHRASES
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.scene import Event, Scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS, PLACES
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.pretraining.captions import readable_event
from coarse_to_fine.encoders.pretraining.pictures import drawn_picture
from coarse_to_fine.encoders.pretraining.states import state_of

GROUP = 32
"""Frames, each of another event, among which a caption has to find its own."""
MEASURES = (f"r1_of_{GROUP}", "r1_in_scene", "action", "colour", "kind", "place", "side")
"""Names of all measures; few scenes may leave out the topic of a question."""


@dataclass(frozen=True, slots=True)
class Question:
    """A picture with several sentences of which one is true."""

    topic: str
    picture: int
    choices: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class ValidationSet:
    """Pictures with captions and questions.

    Attributes:
        pictures: (N, S, S, 3) prepared pictures.
        events: number of the picture, sentence and number of the scene, of pictures that show an event.
        questions: about single pictures.
    """

    pictures: Tensor
    events: tuple[tuple[int, str, int], ...]
    questions: tuple[Question, ...]

    def measure(self, encoder: ClipEncoder) -> dict[str, float]:
        """All measures of an encoder, by name."""
        images = functional.normalize(encoder.encode_images(self.pictures), dim=-1)
        sentences = [text for _, text, _ in self.events]
        texts = embedded(encoder, sentences)
        shown = images[[picture for picture, _, _ in self.events]]
        scenes = torch.tensor([scene for _, _, scene in self.events])
        return {
            f"r1_of_{GROUP}": _recall_in_groups(texts, shown),
            "r1_in_scene": _recall_in_scenes(texts, shown, scenes),
            **self._answers(encoder, images),
        }

    def _answers(self, encoder: ClipEncoder, images: Float[Tensor, "N D"]) -> dict[str, float]:
        sentences = sorted({choice for question in self.questions for choice in question.choices})
        rows = dict(zip(sentences, embedded(encoder, sentences)))
        right: dict[str, list[float]] = {}
        for question in self.questions:
            choices = torch.stack([rows[choice] for choice in question.choices])
            answer = int((choices @ images[question.picture]).argmax())
            right.setdefault(question.topic, []).append(float(answer == question.right))
        return {topic: sum(values) / len(values) for topic, values in sorted(right.items())}


def embedded(encoder: ClipEncoder, sentences: Sequence[str]) -> Float[Tensor, "M D"]:
    """Unit rows of sentences."""
    return functional.normalize(torch.stack([text.embedding for text in encoder.encode_text(sentences)]), dim=-1)


def validation_set(
    encoder: ClipEncoder, scenes: int, draw: Callable[[Scene, float], Tensor] | None = None
) -> ValidationSet:
    """Draw the pictures of the validation split and write its questions; always the same.

    Args:
        encoder: its rule for pictures is used.
        scenes: number of scenes.
        draw: gives the prepared picture of a scene at a time, such as one read back from a rendered file (the figures
            in the card of `tiny-world`); None: drawn and degraded.
    """
    pictures: list[Tensor] = []
    events: list[tuple[int, str, int]] = []
    questions: list[Question] = []
    for seed in range(scenes):
        scene = sample_scene(seed, "val")
        rng = random.Random(f"validation/val/{seed}")
        for event in scene.events:
            time_s = rng.uniform(event.start_s, event.end_s - 1e-3)
            if readable_event(scene, time_s) is None:
                continue
            index = len(pictures)
            drawn = draw(scene, time_s) if draw else drawn_picture(scene, time_s, encoder.preprocessing, rng)
            pictures.append(drawn)
            events.append((index, event_sentence(scene, event, rng).text, seed))
            questions += _questions(scene, event, time_s, index, rng)
    return ValidationSet(torch.stack(pictures), tuple(events), tuple(questions))


def _recall_in_groups(texts: Float[Tensor, "E D"], images: Float[Tensor, "E D"]) -> float:
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    found = total = 0
    for start in range(0, len(order) - GROUP + 1, GROUP):
        rows = order[start : start + GROUP]
        found += int((((texts[rows] @ images[rows].T).argmax(1)) == torch.arange(GROUP)).sum())
        total += GROUP
    return found / max(total, 1)


def _recall_in_scenes(texts: Float[Tensor, "E D"], images: Float[Tensor, "E D"], scenes: Tensor) -> float:
    found = 0
    for scene in sorted(set(scenes.tolist())):
        rows = torch.nonzero(scenes == scene)[:, 0]
        found += int((((texts[rows] @ images[rows].T).argmax(1)) == torch.arange(len(rows))).sum())
    return found / max(len(texts), 1)


def _questions(scene: Scene, event: Event, time_s: float, picture: int, rng: random.Random) -> list[Question]:
    seen = sights(scene, time_s)
    questions = [_action_question(scene, event, seen, picture)]
    if seen:
        sight = rng.choice(seen)
        place = PLACE_PHRASES[scene.place][0]
        others = [other for other in seen if other is not sight]
        if all(other.actor.colour != sight.actor.colour for other in others):
            choices = tuple(f"A {sight.actor.colour} {kind} {place}." for kind in KINDS)
            questions.append(Question("kind", picture, choices, KINDS.index(sight.actor.kind)))
        if all(other.actor.kind != sight.actor.kind for other in others):
            choices = tuple(f"A {colour} {sight.actor.kind} {place}." for colour in COLOURS)
            questions.append(Question("colour", picture, choices, list(COLOURS).index(sight.actor.colour)))
        choices = tuple(f"A {sight.actor.name} {PLACE_PHRASES[other][0]}." for other in PLACES)
        questions.append(Question("place", picture, choices, PLACES.index(scene.place)))
        sides = tuple(SIDE_PHRASES)
        choices = tuple(f"A {sight.actor.name} {SIDE_PHRASES[side][0]}." for side in sides)
        questions.append(Question("side", picture, choices, sides.index(state_of(sight)["side"])))
    return questions


def _action_question(scene: Scene, event: Event, seen: Sequence[Sight], picture: int) -> Question:
    """Which action the subject does; the second object of the wrong answers is one that can be seen."""
    subject = scene.actors[event.subject]
    others = [sight.actor.name for sight in seen if sight.actor != subject]
    target = scene.actors[event.target].name if event.target is not None else others[0] if others else None
    actions = [name for name, phrases in PLAIN_PHRASES.items() if target or "{t}" not in phrases[0]]
    choices = tuple(f"A {PLAIN_PHRASES[name][0].format(s=subject.name, t=f'a {target}')}." for name in actions)
    return Question("action", picture, choices, actions.index(event.action))
