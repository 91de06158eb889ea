"""Learning a small byte-pair vocabulary in CLIP's form from the sentences of the drawn world."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer, models, processors, trainers

from coarse_to_fine.data_generation.world.captions import coarse_caption, event_sentence
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.encoders.pretraining.captions import captions_of_frame
from coarse_to_fine.encoders.pretraining.samples import frame_times
from coarse_to_fine.encoders.tokenizer import END, START, WORD_END, byte_letters, byte_pair_tokenizer


def world_sentences(scenes: int, seed: int) -> Iterator[str]:
    """Sentences of the training split: events, whole videos and single frames."""
    for index in range(scenes):
        scene = sample_scene(index, "train")
        rng = random.Random(f"vocabulary/{seed}/{index}")
        yield from (event_sentence(scene, event, rng).text for event in scene.events)
        yield coarse_caption(scene, variant=index)
        times_s = frame_times(scene, 2, rng)
        for frame in range(2):
            yield from (caption.text for caption in captions_of_frame(scene, times_s, frame, 3, rng))


def train_tokenizer(sentences: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer with OpenAI's order of ids: bytes, bytes at the end of a word, pairs, start, end.

    Every text has ids, since all bytes are in it. The result can be saved as `tokenizer.json` and is read by this
    package and by transformers' CLIPTokenizer alike.
    """
    letters = byte_letters()
    ends = [letter + WORD_END for letter in letters]
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    blank = byte_pair_tokenizer({START: 0, END: 1}, [])
    learner.normalizer, learner.pre_tokenizer = blank.normalizer, blank.pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=size - 2, end_of_word_suffix=WORD_END, show_progress=False)
    learner.train_from_iterator(sentences, trainer)
    pairs = [(left, right) for left, right in json.loads(learner.to_str())["model"]["merges"]]
    tokens = list(dict.fromkeys([*letters, *ends, *(left + right for left, right in pairs)]))[: size - 2]
    known = set(tokens)
    kept = [(left, right) for left, right in pairs if left + right in known]
    tokenizer = byte_pair_tokenizer({token: index for index, token in enumerate([*tokens, START, END])}, kept)
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, len(tokens) + 1), (START, len(tokens)), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer
