"""The measures of an encoder of the drawn world."""

from __future__ import annotations

from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.encoders.pretraining.validation import MEASURES, validation_set


def test_the_measures_are_those_that_a_run_can_select_by():
    encoder = load_encoder("tiny-world")
    assert validation_set(encoder, scenes=12).measure(encoder).keys() == set(MEASURES)
