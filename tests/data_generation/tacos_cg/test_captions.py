"""Captions by extraction and by an endpoint that misbehaves in every way an endpoint does."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from coarse_to_fine.cli.main import run
from coarse_to_fine.data_generation.tacos_cg.build import build_captions, fit_tf_idf, write_captions
from coarse_to_fine.data_generation.tacos_cg.endpoint import CostLimitError, Endpoint, EndpointConfig, EndpointError
from coarse_to_fine.data_generation.tacos_cg.passes import by_video, odd_and_even, split_passes
from coarse_to_fine.data_generation.tacos_cg.prompt import parse_reply
from coarse_to_fine.data_generation.tacos_cg.validation import caption_problem, normalised
from coarse_to_fine.data_generation.tacos_cg.words import content_words
from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.records import MomentQuery

SENTENCES = [
    "The person washes a carrot.",
    "She slices the onion finely.",
    "He boils water in the pot.",
    "The man peels potatoes.",
]
GOOD = "Washes a carrot and then slices the onion before he boils water."


def queries(video="v", passes=2):
    rows = []
    for part in range(passes):
        for place, text in enumerate(SENTENCES):
            window = ((10.0 * place, 10.0 * place + 8),)
            rows.append(MomentQuery(f"{video}_{part}_{place}", video, text, window, "train"))
    return rows


class Server:
    """A chat endpoint on this machine that gives one scripted answer after the other."""

    def __init__(self):
        self.script, self.requests = [], []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((body, dict(self.headers)))
                status, payload, headers = server.script.pop(0) if server.script else (500, b"empty script", {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                cut = headers.pop("X-Cut", None)
                self.send_header("Content-Length", str(len(payload) + (50 if cut else 0)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, captions, finish="stop"):
        content = captions if isinstance(captions, str) else json.dumps({"captions": captions})
        reply = {"choices": [{"message": {"content": content}, "finish_reason": finish}]}
        reply["usage"] = {"prompt_tokens": 100, "completion_tokens": 10}
        self.script.append((200, json.dumps(reply).encode(), {}))


@pytest.fixture
def server():
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


@pytest.fixture
def endpoint(server, tmp_path):
    def make(**options):
        config = EndpointConfig(base_url=server.url, model="m", timeout_s=5, **options)
        return Endpoint(config, tmp_path / "replies", pause=waits.append)

    waits = make.waits = []
    return make


def test_passes_begin_where_the_start_time_goes_back():
    assert [len(part) for part in split_passes(queries(passes=3))] == [4, 4, 4]
    odd, even = odd_and_even(queries(passes=3))
    assert (len(odd), len(even)) == (8, 4)


def test_content_words_are_stemmed_and_stop_words_left_out():
    assert content_words("The man is slicing 2 carrots, and she USED it!") == ["slic", "carrot", "used"]


def test_an_ending_that_leaves_too_little_gives_way_to_the_next():
    words = content_words("uses bees eyes dies bus sing red slices")
    assert words == ["use", "bee", "eye", "die", "bus", "sing", "red", "slic"]


def test_extraction_is_deterministic_and_reads_only_the_odd_passes():
    rows = queries(passes=2)
    rows = rows[:4] + [
        MomentQuery(q.query_id, q.video_id, "Wholly other words here.", q.windows_s, "train") for q in rows[4:]
    ]
    built = [build_captions(rows, fit_tf_idf(rows), variants=2) for _ in range(2)]
    assert built[0].rows == built[1].rows
    assert not any("wholly" in row["text"].lower() for row in built[0].rows)
    assert built[0].incomplete == ()


def test_an_extracted_caption_that_is_refused_gives_way_to_the_next_in_the_ranking():
    rows = queries(passes=1)
    rows[0] = replace(rows[0], text='The person says "washing" and washes a carrot.')
    rows[1] = replace(rows[1], text=" ".join(["She slices the onion"] + ["finely"] * 14) + ".")
    for sentences in (2, 4):
        built = build_captions(rows, fit_tf_idf(rows), variants=1, sentences=sentences)
        assert built.incomplete == ()
        (row,) = built.rows
        assert caption_problem(row["text"], [one.text for one in rows], [], set()) is None
        assert rows[0].query_id not in row["source_query_ids"]


def test_captions_of_all_backends_have_the_same_fields(server, endpoint):
    server.answer([GOOD])
    for _ in range(2):
        server.answer([])
    asked, extracted = build_captions(queries(), fit_tf_idf(queries()), variants=2, endpoint=endpoint()).rows
    assert list(asked) == list(extracted)
    assert asked["parameters"] == {"variants": 2, "all_passes": False, "temperature": 0.7, "max_tokens": 400}
    assert extracted["parameters"] == {
        "variants": 2,
        "sentences": 2,
        "all_passes": False,
        "relevance": 0.7,
        "repeated_text": 0.5,
    }
    assert asked["created"].endswith("+00:00")
    assert asked["checks"]["words"] == len(GOOD.split())
    assert asked["checks"]["support"] == 1.0
    assert asked["checks"]["overlap"] == extracted["checks"]["overlap"]


def test_captions_join_sentences_in_the_order_of_time():
    text = build_captions(queries(), fit_tf_idf(queries()), variants=1, sentences=4).rows[0]["text"]
    assert (
        text
        == "The person washes a carrot; she slices the onion finely; he boils water in the pot; the man peels potatoes."
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Washes a carrot.", "words"),
        ("Washes a carrot and then slices the onion before he boils water", "end in"),
        ("1. Washes a carrot and then slices the onion before he boils.", "numbering"),
        ("In this video he washes a carrot and slices the onion.", "naming the video"),
        ("Flies a rocket to the moon while singing opera loudly.", "no fine sentence"),
        ("The person washes a carrot and then washes the carrot.", "single fine"),
        ("Washes a carrot. Slices the onion. Boils water in pots.", "sentences"),
        (GOOD, None),
    ],
)
def test_validation_names_what_is_wrong(text, problem):
    found = caption_problem(text, SENTENCES, [], set())
    assert (found is None) if problem is None else (found is not None)
    if problem and "no fine" not in problem and "single" not in problem:
        assert problem in found


def test_a_caption_that_repeats_another_is_refused():
    assert "equal" in caption_problem(GOOD, SENTENCES, [GOOD], set())
    assert "equal" in caption_problem(GOOD, SENTENCES, [], {GOOD.lower().rstrip(".")})


REPLY = '{"captions": ["One two three.", "Four five six."]}'


@pytest.mark.parametrize("reply", [REPLY, f"```json\n{REPLY}\n```", "1. One two three.\n2) Four five six.\n"])
def test_replies_are_read_as_json_or_lines(reply):
    assert parse_reply(reply) == ["One two three.", "Four five six."]


def test_an_endpoint_caption_is_kept_and_the_rest_extracted(server, endpoint):
    server.answer([GOOD, "Bad."])
    for _ in range(2):
        server.answer(["Bad again."])
    built = build_captions(queries(), fit_tf_idf(queries()), variants=2, endpoint=endpoint())
    assert [row["backend"] for row in built.rows] == ["endpoint", "extractive"]
    assert built.rows[0]["text"] == GOOD
    assert sum(built.rejected.values()) == 3


def test_too_many_requests_are_waited_for_as_told(server, endpoint):
    server.script = [(429, b"slow down", {"Retry-After": "7"}), (503, b"", {})]
    server.answer([GOOD])
    one = endpoint()
    assert one.captions(SENTENCES, 1) == [GOOD]
    assert endpoint.waits[0] == 7.0
    assert 1.0 <= endpoint.waits[1] <= 3.0
    assert one.usage.retries == 2


@pytest.mark.parametrize(
    "payload", [b"{not json", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}}]}']
)
def test_nonsense_is_asked_for_again(server, endpoint, payload):
    server.script = [(200, payload, {})]
    server.answer([GOOD])
    assert endpoint().captions(SENTENCES, 1) == [GOOD]


def test_a_reply_that_breaks_off_is_asked_for_again(server, endpoint):
    server.script = [(200, b'{"choices"', {"X-Cut": "1"})]
    server.answer([GOOD])
    assert endpoint().captions(SENTENCES, 1) == [GOOD]


def test_a_reply_at_the_limit_of_tokens_is_asked_for_with_twice_the_room(server, endpoint):
    server.answer("half a", finish="length")
    server.answer([GOOD])
    one = endpoint(max_tokens=50)
    assert one.captions(SENTENCES, 1) == [GOOD]
    assert [body["max_tokens"] for body, _ in server.requests] == [50, 100]


def test_a_refusal_fails_at_once_with_the_reason(server, endpoint):
    server.script = [(401, b"no such key", {})]
    with pytest.raises(EndpointError, match="401: no such key"):
        endpoint().captions(SENTENCES, 1)
    assert len(server.requests) == 1


def test_a_refusal_ends_the_run_of_the_command_without_captions(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CAPTION_KEY", "secret-key")
    rows = [
        {"qid": place, "query": text, "duration": 60, "vid": video, "relevant_windows": [[9 * place, 9 * place + 8]]}
        for video in ("a", "b")
        for place, text in enumerate(SENTENCES, start=4 * (video == "b"))
    ]
    annotations, config = tmp_path / "train.jsonl", tmp_path / "endpoint.yaml"
    annotations.write_text("\n".join(map(json.dumps, rows)))
    config.write_text(f"{{base_url: '{server.url}', model: m, key_variable: CAPTION_KEY}}")
    server.script = [(401, b"no such key:\n secret-key", {})] * 2
    out = tmp_path / "coarse.train.jsonl"
    arguments = ["generate", "captions", str(annotations), "--train", str(annotations), "--out", str(out)]
    arguments += ["--endpoint", str(config), "--cache", str(tmp_path / "replies")]
    monkeypatch.setattr("sys.argv", ["ctf", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert (stopped.value.code, len(server.requests), out.exists()) == (2, 1, False)
    assert "401: no such key: <key>; expected captions; check model, address and the key in CAPTION_KEY" in line


def test_a_request_that_took_too_long_is_sent_again(server, endpoint):
    server.script = [(408, b"too slow", {})]
    server.answer([GOOD])
    assert endpoint().captions(SENTENCES, 1) == [GOOD]


@pytest.mark.parametrize("usage", [{"prompt_tokens": None}, {"completion_tokens": "many"}, [], None])
def test_tokens_that_the_endpoint_does_not_count_are_estimated(server, endpoint, usage):
    reply = {"choices": [{"message": {"content": json.dumps({"captions": [GOOD]})}}], "usage": usage}
    server.script = [(200, json.dumps(reply).encode(), {})]
    one = endpoint()
    assert one.captions(SENTENCES, 1) == [GOOD]
    assert one.usage.input_tokens > 100
    assert one.usage.output_tokens > 10


def test_failing_for_good_falls_back_to_extraction(server, endpoint):
    built = build_captions(queries(), fit_tf_idf(queries()), variants=2, endpoint=endpoint())
    assert [row["backend"] for row in built.rows] == ["extractive", "extractive"]
    assert len(server.requests) == 6


def test_answered_requests_are_never_asked_again(server, endpoint):
    server.answer([GOOD])
    assert endpoint().captions(SENTENCES, 1) == [GOOD]
    again = endpoint()
    assert again.captions(SENTENCES, 1) == [GOOD]
    assert (again.usage.calls, again.usage.cached, len(server.requests)) == (0, 1, 1)


@pytest.mark.parametrize("content", ["", '{"choices": [{"mes', "[]"])
def test_a_torn_reply_is_asked_for_again(server, endpoint, tmp_path, content):
    server.answer([GOOD])
    server.answer([GOOD])
    endpoint().captions(SENTENCES, 1)
    (file,) = (tmp_path / "replies").iterdir()
    file.write_text(content)
    again = endpoint()
    assert again.estimate([again.body(SENTENCES, 1, again.config.max_tokens)])[0] > 0
    assert again.captions(SENTENCES, 1) == [GOOD]
    assert (again.usage.calls, again.usage.cached, len(server.requests)) == (1, 0, 2)


def test_the_key_is_sent_but_never_stored(server, endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("CAPTION_KEY", "secret-key")
    server.answer([GOOD])
    endpoint(key_variable="CAPTION_KEY").captions(SENTENCES, 1)
    assert server.requests[0][1]["Authorization"] == "Bearer secret-key"
    assert not any(b"secret-key" in file.read_bytes() for file in (tmp_path / "replies").iterdir())


def test_the_limit_of_cost_stops_before_it_is_passed(server, endpoint):
    server.answer([GOOD])
    one = endpoint(input_price=1000.0, output_price=1000.0, max_cost=0.6)
    one.captions(SENTENCES, 1)
    with pytest.raises(CostLimitError, match=r"the limit is 0\.6"):
        one.captions(SENTENCES[:2], 1)
    assert len(server.requests) == 1


def test_captions_are_written_whole(tmp_path):
    built = build_captions(queries(), fit_tf_idf(queries()), variants=2)
    write_captions(built, tmp_path / "coarse.train.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "coarse.train.jsonl").read_text().splitlines()]
    assert [row["caption_id"] for row in rows] == ["v#c0", "v#c1"]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_extracted_caption_of_tacos_passes_the_checks_and_none_is_missing(split, data_dir):
    tf_idf = fit_tf_idf(load_annotations(data_dir / "tacos/train.json").queries)
    groups = by_video(load_annotations(data_dir / f"tacos/{split}.json").queries)
    built = build_captions([query for group in groups.values() for query in group], tf_idf)
    assert built.incomplete == ()
    assert built.quality is not None and built.quality.form == 1.0
    taken: set[str] = set()
    for video, group in groups.items():
        own = [row["text"] for row in built.rows if row["video_id"] == video]
        for place, text in enumerate(own):
            assert caption_problem(text, [query.text for query in group], own[:place], taken) is None
        taken |= {normalised(text) for text in own}


def test_no_caption_of_one_split_belongs_to_a_video_of_another(data_dir):
    videos = {
        split: by_video(load_annotations(data_dir / f"tacos/{split}.json").queries)
        for split in ("train", "val", "test")
    }
    tf_idf = fit_tf_idf([query for group in videos["train"].values() for query in group])
    owners = {}
    for split, groups in videos.items():
        rows = build_captions([query for group in groups.values() for query in group], tf_idf, variants=1).rows
        owners[split] = {row["video_id"] for row in rows}
    assert not owners["train"] & owners["test"]
    assert not owners["train"] & owners["val"]
