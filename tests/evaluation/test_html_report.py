"""The page of a report: complete, self-contained, well-formed, safe with any text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from coarse_to_fine.evaluation.bootstrap import Interval
from coarse_to_fine.evaluation.columns import Metric
from coarse_to_fine.evaluation.compare import compare
from coarse_to_fine.evaluation.evaluate import evaluate
from coarse_to_fine.evaluation.html_report import to_html, write_html
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import predictions_in_memory
from coarse_to_fine.evaluation.report import Report, Section
from coarse_to_fine.evaluation.svg import Line, line_chart, timeline
from tests.evaluation.random_collection import random_answer, random_truth

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects tags and checks that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    truth = random_truth(rng, videos=20)
    odd = replace(truth.queries[0], text='</script><script>alert("x")</script> & ünï')
    truth = truth.with_queries((odd, *truth.queries[1:]))
    a, b = ([random_answer(rng, truth, query) for query in truth.queries] for _ in range(2))
    report = pipeline_report(truth, a, config=PipelineReportConfig(candidates=5, resamples=20, examples=30))
    comparison = compare("corpus", truth, *(predictions_in_memory(each) for each in (a, b)), resamples=20)
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(path, report, comparison)
    return path.read_text(encoding="utf-8")


def test_every_plot_is_there(page: str) -> None:
    labels = [attributes.get("aria-label") for tag, attributes in Page(page).tags if tag == "svg"]
    for label in ("recall of the video, % over K", "VCMR recall, % over K", "R1, % over IoU threshold", "timeline"):
        assert label in labels
    assert labels.count("error classes") >= 6
    assert labels.count("timeline") == 30
    assert labels.count("values, 95 % intervals and chance") >= 3


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert not re.findall(r"""(?:src|href)=|url\(|@import|https?://""", page)


def test_text_of_the_data_is_never_markup(page: str) -> None:
    tags = [tag for tag, _ in Page(page).tags]
    assert tags.count("script") == 1
    assert "alert(&quot;x&quot;)" in page


def test_the_numbers_stand_in_the_page_as_json(page: str) -> None:
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    document = json.loads(found.group(1))
    assert document["metrics"]["VCMR-R1@0.5"] == document["details"]["VCMR-R1@0.5"]["value"]


def test_a_report_of_one_task_has_a_page_too() -> None:
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    answers = predictions_in_memory(random_answer(rng, truth, query) for query in truth.queries)
    Page(to_html(evaluate("moments", truth, answers, resamples=20)))


def test_a_curve_below_zero_is_drawn_and_the_axis_holds_every_point() -> None:
    drawn = timeline(20.0, [[2, 5]], [[1, 4, -0.5]], [-3.0, -1.0, -2.0])
    heights = [float(point.split(",")[1]) for point in re.search(r'points="([^"]+)"', drawn).group(1).split()]  # type: ignore[union-attr]
    assert heights[0] > heights[2] > heights[1]
    flat = line_chart([Line("one", [1], [50.0])], "K", "%")
    assert "NaN" not in flat and "nan" not in flat


def test_the_page_is_written_where_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    truth = random_truth(rng)
    answers = [random_answer(rng, truth, query) for query in truth.queries]
    write_html(
        tmp_path / "r.html", pipeline_report(truth, answers, config=PipelineReportConfig(resamples=0, examples=0))
    )
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_column_for_chance_is_there_where_it_has_an_entry():
    bare = Metric("R1@0.5", 40.0, "%", 10)
    for chance in (None, 12.5):
        report = Report("moments", "default", "val", "t", "p", 10, 0, (Section("s", (replace(bare, chance=chance),)),))
        columns = [str(column.header) for column in report.to_table().columns]
        assert ("chance" in columns) == ("<th>chance</th>" in to_html(report)) == (chance is not None)
        assert len(columns) == 5 - (chance is None)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_narrow_terminal_cuts_no_number(width):
    metric = Metric("videos a sentence ranks", 100.0, "%", 15, Interval(100.0, 100.0), 50.0)
    table = Report("videos", "default", "val", "t", "p", 10, 4, (Section("s", (metric,)),)).to_table()
    console = Console(width=width, file=StringIO())
    console.print(table)
    printed = console.file.getvalue()
    assert "…" not in printed
    assert printed.count("100.00") == 3 and "50.00" in printed


def test_table_and_page_say_the_rules_in_words():
    rules = "ties: expected rank"
    report = Report("videos", "default", "val", "t", "p", 10, 4, (), rules)
    assert report.title().endswith("rules: default (ties: expected rank)")
    assert rules in str(report.to_table().title)
    assert to_html(report).split('id="report"')[0].count(rules) == 1
