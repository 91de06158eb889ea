"""The demo says in words what a hit is worth."""

from __future__ import annotations

import pytest

from coarse_to_fine.cli.demo import print_results


@pytest.mark.parametrize(
    ("kind", "video_id", "iou", "said"),
    [
        ("fine", "right", 0.5, "IoU 0.50"),
        ("fine", "right", 0.0, "IoU 0.00"),
        ("fine", "wrong", 0.0, "another video"),
        ("coarse", "right", 0.1, "right video"),
        ("coarse", "wrong", 0.0, "another video"),
        ("coarse+fine", "right", 0.7, "IoU 0.70"),
    ],
)
def test_a_caption_is_of_a_video_and_a_sentence_of_a_moment(kind, video_id, iou, said, capsys):
    hit = {"video_id": video_id, "start_s": 1.0, "end_s": 2.0, "score": 0.4, "iou": iou}
    truth = {"video_id": "right", "windows": [[0.0, 9.0]]}
    print_results([{"kind": kind, "query": "a cat", "moment": None, "truth": truth, "hits": [hit]}])
    assert capsys.readouterr().out.rstrip().endswith(f"score 0.40  {said}")
