"""Paths, encoders and samplings of another kind than expected get one line that says what to give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coarse_to_fine.errors import LibraryError, UserError, WeightsError
from coarse_to_fine.features.training_set import extract_annotated, extract_set
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from tests.library.small_encoder import SmallEncoder

NO_PATHS = [None, 5, b"videos.ctf", ["videos.ctf"], Library]


@pytest.fixture
def made(tmp_path):
    Library.create(tmp_path / "own.ctf", encoder=SmallEncoder()).close()
    return tmp_path / "own.ctf"


@pytest.mark.parametrize("given", NO_PATHS)
@pytest.mark.parametrize("way", [Library.open, Library.create, Library.open_or_create, Pipeline.load])
def test_what_is_no_path_is_refused(way, given):
    with pytest.raises(UserError, match=r"^the library is .*; expected a path; give the path of its folder"):
        way(given)


@pytest.mark.parametrize("given", NO_PATHS)
def test_copies_are_made_of_paths_alone(made, given):
    with Library.open(made, encoder=SmallEncoder()) as library:
        for way in (library.merge, library.export):
            with pytest.raises(UserError, match=r"expected a path; "):
                way(given)


class Unfinished:
    name = "unfinished"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SmallEncoder, r"the encoder is the class SmallEncoder; expected .*; give an object of it, such as SmallEnc"),
        (Unfinished(), r"of type Unfinished without fingerprint, embed_dim, .*; add what is missing"),
        (5, r"the encoder is 5; expected .*; give an object, or the name or folder"),
        (["tiny-world"], r"the encoder is \['tiny-world'\]; expected"),
    ],
)
def test_what_is_no_encoder_is_refused(made, tmp_path, given, message):
    ways = [
        lambda: Library.create(tmp_path / "new.ctf", encoder=given),
        lambda: Library.open(made, encoder=given),
        lambda: Library.open_or_create(tmp_path / "new.ctf", encoder=given),
        lambda: extract_set(tmp_path, "test", given, tmp_path / "out"),
        lambda: extract_annotated(None, tmp_path, given, tmp_path / "out"),
    ]
    for way in ways:
        with pytest.raises(UserError, match=message):
            way()
    assert not (tmp_path / "new.ctf").exists()


def test_the_folder_of_an_encoder_may_be_a_path(tmp_path):
    from coarse_to_fine.encoders.load import encoder_folder

    folder = encoder_folder("tiny-world")
    with Library.create(tmp_path / "new.ctf", encoder=Path(folder)) as library:
        assert library.encoder_name == str(folder)
    with Library.open(tmp_path / "new.ctf", encoder=Path(folder)) as library:
        assert library.encoder.embed_dim == library.embed_dim


def test_what_is_no_sampling_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"sampling is {'clip_seconds': 1}; expected a Sampling; make one"):
        Library.create(tmp_path / "new.ctf", encoder=SmallEncoder(), sampling={"clip_seconds": 1})
    assert not (tmp_path / "new.ctf").exists()


def test_a_library_of_an_encoder_object_says_how_to_give_it(made):
    for library in (made, Library.open(made, encoder="small-0")):
        with pytest.raises(WeightsError, match=r"encoder object 'small-0'.*Library.open\('.*own.ctf', encoder=OBJECT"):
            Pipeline.load(library, "mean-pool", "similarity").search("a red square")
    with Library.open(made, encoder=SmallEncoder()) as library:
        assert Pipeline.load(library, "mean-pool", "similarity").search("a red square") == []


def test_the_command_says_that_an_encoder_object_is_given_in_python(made):
    command = [sys.executable, "-m", "coarse_to_fine", "search", "a red square", "--library", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give it again: Pipeline.load(Library.open(" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("given", [None, 5, b"videos", [None], ["videos", 5]])
def test_what_is_no_path_is_neither_added_nor_removed(made, given):
    with Library.open(made, encoder=SmallEncoder()) as library:
        for way in (library.add, library.remove):
            with pytest.raises(UserError, match=r"paths is .*; expected (a path|files and folders); "):
                way(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": "2"}, "workers is '2'; expected a whole number"),
        ({"workers": 1.5}, "workers is 1.5; expected a whole number"),
        ({"only": ["*.mp4"]}, r"only is \['\*.mp4'\]; expected a shell pattern"),
        ({"progress": True}, "progress is True; expected a function"),
    ],
)
def test_options_of_adding_are_checked_first(made, tmp_path, options, message):
    with Library.open(made, encoder=SmallEncoder()) as library, pytest.raises(UserError, match=message):
        library.add(tmp_path, **options)


@pytest.mark.parametrize("given", [5, [5], [None]])
def test_features_are_those_of_segment_ids(made, given):
    with Library.open(made) as library, pytest.raises(UserError, match=r"expected (ids of segments|`<video id>#)"):
        library.segment_features(given)


def test_a_closed_library_says_so(made):
    library = Library.open(made)
    library.close()
    for ask in (library.videos, library.info, library.compact, library.check):
        with pytest.raises(LibraryError, match=r"own.ctf was closed; expected an open library; open it again"):
            ask()


@pytest.mark.parametrize("given", ["v9", "", 5, ["v0"]])
def test_segments_are_those_of_a_video_that_is_there(made, given):
    with Library.open(made) as library:
        for way in (library.video, library.segments):
            with pytest.raises(UserError, match=r"^no video .* in .*; expected an id of `ctf library list`; check it"):
                way(given)
        assert library.segments() == []
