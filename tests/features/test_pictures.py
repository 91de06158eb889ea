"""Pictures of many videos through one encoder: order, independence, missing pictures, errors, bounded memory."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from coarse_to_fine.errors import VideoError
from coarse_to_fine.features.pictures import BATCH_PICTURES, assemble, embed_videos
from coarse_to_fine.video.sampling import plan_times
from tests.library.small_encoder import SmallEncoder


class Numbered:
    """A video whose picture at position p has the colour p; some positions cannot be had."""

    def __init__(self, seconds, missing=(), delay_s=0.0, error_at=None):
        self.plan = plan_times(np.arange(0, seconds, 0.2), seconds)
        self.missing, self.delay_s, self.error_at = set(missing), delay_s, error_at
        self.given = 0

    def pictures(self):
        for position in range(len(self.plan.times_s)):
            if position == self.error_at:
                raise VideoError("it ends here")
            time.sleep(self.delay_s)
            self.given += 1
            if position not in self.missing:
                yield position, torch.full((16, 16, 3), position % 256, dtype=torch.uint8)


def run(sources, workers=2):
    return list(embed_videos([lambda source=source: source for source in sources], SmallEncoder(), workers))


def test_outcomes_come_in_order_whatever_takes_longest():
    sources = [Numbered(seconds, delay_s=0.003 if seconds == 30 else 0) for seconds in (30, 3, 4, 5, 6)]
    outcomes = run(sources, workers=3)
    assert [outcome.index for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [len(outcome.features.clips) for outcome in outcomes] == [15, 2, 2, 3, 3]


def test_features_do_not_depend_on_what_is_beside():
    alone = run([Numbered(100)])[0].features
    beside = run([Numbered(90), Numbered(7), Numbered(100), Numbered(200)], workers=4)[2].features
    assert torch.equal(alone.clips, beside.clips)
    assert torch.equal(alone.frames, beside.frames)


def test_error_of_one_video_is_its_outcome():
    def cannot_open():
        raise VideoError("no frame")

    tasks = [lambda: Numbered(5), cannot_open, lambda: Numbered(50, error_at=20), lambda: Numbered(9)]
    first, second, third, fourth = embed_videos(tasks, SmallEncoder(), 2)
    assert str(second.error) == "no frame"
    assert str(third.error) == "it ends here"
    assert third.features is None
    assert first.error is fourth.error is None


def test_missing_pictures_are_zero_clips_and_nearest_frames():
    source = Numbered(20, missing=range(5, 9))
    features = run([source])[0].features
    rows = torch.stack([torch.full((16, 16, 3), p, dtype=torch.uint8) for p in range(len(source.plan.times_s))])
    rows = SmallEncoder().encode_images(rows)
    lost = [clip for clip, position in enumerate(source.plan.clip_positions) if 5 <= position < 9]
    assert lost
    assert features.missing_clips == len(lost)
    for clip, position in enumerate(source.plan.clip_positions):
        expected = torch.zeros(16) if clip in lost else rows[position]
        torch.testing.assert_close(features.clips[clip], expected)
    for number, position in enumerate(source.plan.segments[0].frame_positions):
        times = np.array(source.plan.times_s)
        there = [p for p in range(len(times)) if not 5 <= p < 9]
        nearest = min(there, key=lambda p: (abs(times[p] - times[position]), p))
        torch.testing.assert_close(features.frames[0, number], rows[nearest])


def test_no_picture_at_all_is_an_error():
    source = Numbered(4)
    source.missing = set(range(len(source.plan.times_s)))
    with pytest.raises(VideoError, match="no frame can be decoded"):
        raise run([source])[0].error


def test_values_that_are_not_finite_are_an_error():
    plan = Numbered(2).plan
    with pytest.raises(VideoError, match="not finite"):
        assemble(plan, [0], torch.full((1, 4), float("nan")))


def test_readers_wait_for_a_slow_encoder():
    class Slow(SmallEncoder):
        def encode_images(self, pictures):
            largest.append(sum(source.given for source in sources) - sum(done))
            done.append(len(pictures))
            time.sleep(0.02)
            return super().encode_images(pictures)

    largest, done = [], []
    sources = [Numbered(1400), Numbered(1400)]
    for _ in embed_videos([lambda source=source: source for source in sources], Slow(), 2):
        pass
    assert sum(done) > 20 * BATCH_PICTURES
    assert max(largest) <= 10 * BATCH_PICTURES


def test_reading_goes_on_beside_the_encoder_in_several_files_at_once():
    class Waiting(SmallEncoder):
        def encode_images(self, pictures):
            reached.append(all(source.later.wait(timeout=20) for source in sources))
            return super().encode_images(pictures)

    class Read(Numbered):
        later = None

        def pictures(self):
            for position, picture in super().pictures():
                if position > BATCH_PICTURES:
                    self.later.set()
                yield position, picture

    reached, sources = [], [Read(200), Read(200)]
    for source in sources:
        source.later = threading.Event()
    outcomes = list(embed_videos([lambda source=source: source for source in sources], Waiting(), 2))
    assert all(outcome.error is None for outcome in outcomes)
    assert reached and all(reached)  # the first batch was in the encoder while both files were read past their first


@pytest.mark.parametrize("taken", [1, 3])
def test_closing_ends_the_readers(taken):
    class Watched(Numbered):
        def pictures(self):
            readers.add(threading.current_thread())
            yield from super().pictures()

    readers = set()
    short, long = lambda: Watched(2), lambda: Watched(1000, delay_s=0.001)
    outcomes = embed_videos([short] * taken + [long] * 30, SmallEncoder(), 3)
    for _ in range(taken):
        next(outcomes)
    assert any(reader.is_alive() for reader in readers)
    outcomes.close()
    assert not any(reader.is_alive() for reader in readers)


def test_closing_before_the_first_outcome_reads_nothing():
    sources = [Numbered(4) for _ in range(3)]
    outcomes = embed_videos([lambda source=source: source for source in sources], SmallEncoder(), 3)
    outcomes.close()
    assert not any(source.given for source in sources)
