"""The JSON API, videos by byte ranges, and who is refused."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import av
import httpx
import pytest

from tests.web.conftest import NAMES, Served

CROSS_SITE = {"sec-fetch-site": "cross-site"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def api(served):
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def video_ids(api):
    return [hit["video_id"] for hit in api.get("/api/search", params={"q": "grey", "k": 100}).json()["hits"]]


def test_a_search_gives_sorted_hits_inside_their_videos(api):
    found = api.get("/api/search", params={"q": "a grey picture", "k": 5}).json()
    assert found["query"] == "a grey picture"
    assert 1 <= len(found["hits"]) <= 5
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    for hit in found["hits"]:
        assert 0 <= hit["start_s"] < hit["end_s"] <= hit["duration_s"]
        assert hit["title"] in NAMES


def test_playable_says_what_browsers_can_show(api):
    hits = api.get("/api/search", params={"q": "grey", "k": 100}).json()["hits"]
    playable = {hit["title"]: hit["playable"] for hit in hits}
    assert playable == {"red beach.mp4": True, "grün 😀 #1 %20.mp4": True, "old codec.avi": False, "modern.mkv": False}


def test_moments_of_a_video_come_with_its_curve(api):
    found = api.get("/api/videos/red beach/moments", params={"q": "grey"}).json()
    assert len(found["saliency"]) == 6
    assert (min(found["saliency_normalised"]), max(found["saliency_normalised"])) == (0.0, 1.0)
    assert all(0 <= window["start_s"] < window["end_s"] <= found["duration_s"] for window in found["windows"])


@pytest.mark.parametrize(
    "parameters",
    [{"q": ""}, {"q": "?!"}, {"q": "of the"}, {}, {"q": "dog", "k": 0}, {"q": "dog", "k": 10**6}, {"q": "a" * 3000}],
)
def test_bad_parameters_get_a_reason(api, parameters):
    answer = api.get("/api/search", params=parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize("sentence", ["", "?!", "of the", "a", "a" * 3000])
def test_what_a_search_refuses_the_curve_refuses_too(api, sentence):
    answer = api.get("/api/videos/red beach/moments", params={"q": sentence})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_byte_ranges_suffixes_and_ends(api):
    url = f"/media/{quote('grün 😀 #1 %20')}"
    whole = api.get(url)
    assert whole.status_code == 200
    size = len(whole.content)
    part = api.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 10-19/{size}")
    assert part.content == whole.content[10:20]
    assert api.get(url, headers={"Range": "bytes=-7"}).content == whole.content[-7:]
    assert api.get(url, headers={"Range": f"bytes={size - 3}-"}).content == whole.content[-3:]
    assert api.get(url, headers={"Range": f"bytes={size}-"}).status_code == 416
    head = api.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/media/nothing",
        "/media/..%2f..%2fetc%2fpasswd",
        "/thumbnails/nothing",
        "/previews/nothing?start=0&end=1",
        "/clips/nothing?start=0&end=1",
    ],
)
def test_only_videos_of_the_library_are_served(api, path):
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/nope", "/a/<b>x", "/media/nothing", "/clips/nothing?start=0&end=1"])
def test_a_browser_gets_a_page_with_a_way_home_where_nothing_is(api, path):
    answer = api.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'href="/"' in answer.text
    assert "<b>" not in answer.text
    assert "nope" in answer.text or "nothing" in answer.text or "&lt;b&gt;x" in answer.text
    assert api.get(path).json()["detail"]


def test_a_clip_that_cannot_be_cut_gets_a_page_too(api):
    answer = api.get("/clips/modern?start=5&end=3", headers=BROWSER)
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_the_api_answers_in_json_whatever_a_browser_would_like(api):
    for path in ("/api/nope", "/api/videos/nothing/moments?q=grey"):
        answer = api.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json()["detail"]


def test_static_files_do_not_leave_their_folder(api):
    assert api.get("/").status_code == 200
    assert "text/html" in api.get("/").headers["content-type"]
    for path in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py"):
        assert api.get(path).status_code == 404


def test_a_thumbnail_is_a_jpeg_of_its_time(api):
    early, late = (api.get("/thumbnails/modern", params={"t": time}).content for time in (0.5, 11.5))
    assert early[:2] == b"\xff\xd8"
    assert early != late
    assert api.get("/thumbnails/modern", params={"t": 10**6}).status_code == 200


def test_a_preview_plays_what_browsers_cannot(api):
    answer = api.get("/previews/modern", params={"start": 3.0, "end": 5.0})
    assert answer.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"
        first = next(clip.decode(video=0)).to_ndarray(format="gray")
    assert 20 <= float(first.mean()) <= 110  # grey 30 plus a tint of 0 to 79
    assert api.get("/previews/modern", params={"start": 5.0, "end": 3.0}).status_code == 404


@pytest.mark.parametrize("video_id", ["red beach", "modern"])
def test_a_clip_to_keep_holds_the_frames_of_its_moment(api, video_id):
    answer = api.get(f"/clips/{quote(video_id)}", params={"start": 3.0, "end": 5.0})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    with av.open(io.BytesIO(answer.content)) as clip:
        frames = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
    assert len(frames) == 20
    assert frames[0].shape == (96, 160)


def test_requests_of_other_sites_are_refused(api):
    assert api.get("/api/library", headers=CROSS_SITE).status_code == 403
    assert api.get("/api/library", headers={"Origin": "http://evil.example"}).status_code == 403
    assert api.post("/api/index", json={"path": "/"}, headers={"Origin": "null"}).status_code == 403
    assert api.get("/", headers=CROSS_SITE | {"sec-fetch-mode": "navigate"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_rebound_names_are_refused(api, host):
    assert api.get("/api/library", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "[::1]:80"])
def test_loopback_names_are_allowed(api, host):
    assert api.get("/api/library", headers={"Host": host}).status_code == 200


def test_large_requests_are_refused(api):
    assert api.post("/api/index", content=b"x" * 20000).status_code == 413
    assert api.get("/api/library?" + "x" * 9000).status_code == 414


def test_a_token_is_needed_where_there_is_one(pipeline):
    served = Served(pipeline, hosts=None, token="secret")
    try:
        with httpx.Client(base_url=served.url) as client:
            assert client.get("/api/library").status_code == 401
            assert client.get("/api/library", headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get("/api/library", headers={"Authorization": "Bearer secret"}).status_code == 200
            assert client.get("/?token=secret").status_code == 200
            assert client.get("/api/library").status_code == 200
    finally:
        served.stop()


def test_parallel_clients_get_the_answers_of_a_serial_one(api, served):
    sentences = [f"picture number {number}" for number in range(20)]

    def ask(sentence):
        with httpx.Client(base_url=served.url, timeout=60) as client:
            return client.get("/api/search", params={"q": sentence}).json()["hits"]

    serial = [ask(sentence) for sentence in sentences]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, sentences)) == serial


def test_an_index_request_needs_an_existing_path(api):
    answer = api.post("/api/index", json={"path": "/no/such/folder"})
    assert answer.status_code == 422
    assert "/no/such/folder" in answer.json()["detail"]


def test_the_api_is_described(api):
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/api/search", "/api/library", "/api/index", "/api/videos/{video_id}/moments"} <= paths.keys()


def test_saliency_is_called_a_rank_score_wherever_it_is_shown(api):
    described = api.get("/openapi.json").json()["components"]["schemas"]["MomentsResponse"]["properties"]
    assert "rank score" in described["saliency"]["description"]
    assert "any sign" in described["saliency"]["description"]
    assert "rank score of any sign" in api.get("/").text
