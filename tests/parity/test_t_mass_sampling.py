"""The frames that stand for a video are the ones the T-MASS release takes."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.video.sampling import coarse_frame_indices, coarse_frame_indices_between
from tests.parity.cases import Case


@pytest.mark.parity("t_mass", "frame_sampling")
def test_uniform_frames_of_a_whole_video(case: Case) -> None:
    frames = case.config["num_frames"]
    for count, expected in zip(case.tensors["in.frame_count"].tolist(), case.tensors["out.index"]):
        np.testing.assert_array_equal(coarse_frame_indices(count, frames), expected.numpy(), err_msg=f"{count} frames")


@pytest.mark.parity("t_mass", "frame_sampling")
def test_uniform_frames_of_an_annotated_part(case: Case) -> None:
    frames = case.config["num_frames"]
    for (count, fps, start_s, end_s), expected in zip(
        case.tensors["in.didemo"].tolist(), case.tensors["out.didemo_index"]
    ):
        found = coarse_frame_indices_between(int(count), fps, start_s, end_s, frames)
        np.testing.assert_array_equal(found, expected.numpy(), err_msg=f"{start_s}-{end_s} s at {fps} fps")
