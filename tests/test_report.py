"""The page and the table that put all variants side by side."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from project import CLIP, IMAGE, MEMORY, ROOT, VARIANTS, Project

from pipeline.checking.findings import DataChecks, Drift, error, warning
from pipeline.config import load_params
from pipeline.errors import UserError
from pipeline.figures import images
from pipeline.stages.evaluate import passes, share
from pipeline.stages.report import COLUMNS, put_into, report
from pipeline.tasks.classification import examples_shown

pytest_plugins = ["project"]

LARGEST_PAGE = 10 * 1024 * 1024
MARKED = re.compile(r"<!-- results -->\n(.*?)<!-- /results -->", re.DOTALL)


class Page(HTMLParser):
    """What a page links to, and its tables as rows of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.anchors: set[str] = set()
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.of_data = False  # whose tables the Markdown file has none of
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data"):
                self.links.append((tag, value or ""))
            elif name == "id":
                self.anchors.add(value or "")
        if tag == "table":
            self.of_data = "data" in (dict(attributes).get("class") or "")
        if tag == "tr" and not self.of_data:
            self.rows.append([])
        if tag in ("td", "th") and not self.of_data:
            self.in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1][-1] += data.strip()


def markdown_rows(text: str) -> list[list[str]]:
    """The rows of all tables, headings among them, rules not."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
def test_the_page_stands_alone(made: Project):
    text = (made / "report/index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(text.encode()) < LARGEST_PAGE
    for tag, target in page.links:
        if tag == "img":
            assert target.startswith("data:image/png;base64,")
        else:
            assert target.startswith("#") and target[1:] in page.anchors
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:|file:|//|\.?/)""", text)
    assert not re.search(r"url\(\s*['\"]?(?!data:)", text) and "@import" not in text and "<script src" not in text
    assert sum(tag == "img" for tag, _ in page.links) == sum(
        len(list((made / f"reports/{variant}/figures").glob("*.png"))) for variant in VARIANTS
    )


@pytest.mark.slow
def test_page_and_table_have_the_same_row_for_every_variant(made: Project):
    page = Page((made / "report/index.html").read_text(encoding="utf-8"))
    table = markdown_rows((made / "report/results.md").read_text(encoding="utf-8"))
    assert table[0] == ["dataset", *COLUMNS]
    assert [row for row in page.rows if row != list(COLUMNS)] == [row[1:] for row in table[1:]]
    assert {row[1]: row[0] for row in table[1:]} == {
        name: b["dataset"] for name, b in made.params()["variants"].items()
    }
    rows = {row[1]: dict(zip(COLUMNS, row[1:], strict=True)) for row in table[1:]}
    assert set(rows) == set(VARIANTS)
    for variant in (CLIP, MEMORY, IMAGE):
        metrics = made.metrics(variant)
        assert rows[variant]["metric"] == metrics["metric"]
        assert rows[variant]["score"] == f"{metrics['score']:.4f}"
        assert rows[variant]["share"] == f"{metrics['score'] / metrics['ceiling']:.1%}"
        assert rows[variant]["gate"] == metrics["gate"]
        assert rows[variant]["parameters"].replace(",", "") == str(metrics["num_parameters"])


@pytest.mark.slow
def test_the_page_says_what_was_checked_of_every_dataset(made: Project):
    text = (made / "report/index.html").read_text(encoding="utf-8")
    params = made.params()
    names = [name for section in ("datasets", "imports", "derived") for name in params[section]]
    assert {f"data-{name}" for name in names} <= Page(text).anchors
    assert text.count('<span class="passed">passed</span>') == len(names)
    assert "Drift of 19 features" in text and "block_3_3" in text


def test_findings_and_data_that_failed_are_named(tmp_path: Path):
    drift = [Drift(feature="brightness", split="train", psi=0.5, allowed=0.2)]
    findings = [
        error("drift", "train", "drift of <brightness>", 0.5, 0.2, "look"),
        warning("labels", "test", "classes without an example", "b", "none", "add some"),
    ]
    failed = DataChecks(dataset="own", examples={"train": 1234}, names=["a", "b"], shares={"train": [0.75, 0.25]})
    failed = failed.with_drift(drift).with_findings(findings)
    empty = tmp_path / "reports"
    report({}, empty, tmp_path / "report", checks={"own": failed, "other": None})
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    for words in ("drift of &lt;brightness&gt;", "1,234", "a: 75.0%", '<td class="failed">0.5000</td>', "not checked"):
        assert words in page, words
    assert "Data that failed its checks: own." in (tmp_path / "report/results.md").read_text(encoding="utf-8")


def test_the_share_is_turned_over_where_lower_is_better():
    assert share(0.9, 1.0, True) == pytest.approx(0.9)
    assert share(4.0, 2.0, False) == pytest.approx(0.5)
    assert share(0.0, 0.0, False) == 1.0
    assert share(1.0, 0.0, False) == 0.0


def test_a_gate_is_a_floor_or_a_ceiling_as_the_metric_is():
    class Task:
        LOWER_IS_BETTER = ("rmse",)

    assert passes({"accuracy": 0.9, "rmse": 2.0}, {"accuracy": 0.9, "rmse": 2.0}, Task)
    assert not passes({"accuracy": 0.89, "rmse": 1.0}, {"accuracy": 0.9}, Task)
    assert not passes({"accuracy": 1.0, "rmse": 2.01}, {"rmse": 2.0}, Task)


def test_variants_of_a_dataset_stand_together_and_lower_is_better_is_said(tmp_path: Path):
    metrics = {
        "task": "regression",
        "metric": "rmse",
        "score": 4.0,
        "ceiling": 2.0,
        "share_of_ceiling": share(4.0, 2.0, False),
        "higher_is_better": False,
        "num_parameters": 1234,
        "num_examples": 10,
        "gate": "failed",
        "fingerprint": "0123456789abcdef",
        "rmse": 4.0,
        "references": {"last value": 5.5},
    }
    for variant, differs in {"a": {}, "b": {"ceiling": None, "share_of_ceiling": None}}.items():
        (tmp_path / "reports" / variant).mkdir(parents=True)
        (tmp_path / "reports" / variant / "metrics.json").write_text(json.dumps(metrics | differs))
        (tmp_path / "reports" / variant / "train_timing.json").write_text(
            json.dumps({"train_seconds": 12.34, "fingerprint": metrics["fingerprint"]})
        )
    (tmp_path / "reports/trained_again").mkdir()
    (tmp_path / "reports/trained_again/metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "reports/trained_again/train_timing.json").write_text('{"train_seconds": 1.0, "fingerprint": "other"}')
    variants = {"a": "heights", "missing": "heights", "b": "heights", "trained_again": "heights"}
    assert report(variants, tmp_path / "reports", tmp_path / "report") == ["missing", "trained_again"]
    text = (tmp_path / "report/results.md").read_text(encoding="utf-8")
    heading, first, second, reference = markdown_rows(text)
    assert heading == ["dataset", *COLUMNS]
    assert first[:7] == ["heights", "a", "rmse (lower is better)", "4.0000", "2.0000", "50.0%", "failed"]
    assert first[8:] == ["12.3", "–", "a-01234567"]  # seconds of the training, none of the inference
    assert second[4:6] == ["–", "–"]
    assert reference[:5] == ["heights", "(last value)", "rmse (lower is better)", "5.5000", "2.0000"]
    assert "Not evaluated: missing, trained_again." in text


def test_the_examples_of_a_figure_are_wrong_ones_and_then_some_of_each_class():
    targets = np.array([1, 1, 1, 1, 0, 2, 0])
    outputs = np.eye(3)[[1, 1, 0, 1, 0, 2, 0]]
    assert examples_shown(outputs, targets, 4) == [2, 4, 0, 5]
    assert sorted(examples_shown(outputs, targets, 24)) == list(range(7))
    outputs = np.eye(3)[[0, 0, 0, 1, 2, 2, 0]]
    assert examples_shown(outputs, targets, 6) == [4, 0, 1, 5, 6, 2]  # a class of many mistakes does not hide others


def test_captions_of_images_have_room():
    captions = ["truck", "automobile\nnot automobile"] * 5
    figure = images(np.zeros((10, 4, 4, 3)), captions, [True, False] * 5)
    figure.draw_without_rendering()  # lays it out
    boxes = [axis.title.get_window_extent() for axis in figure.axes if axis.get_title()]
    pairs = [(one, other) for row, one in enumerate(boxes) for other in boxes[row + 1 :]]
    assert len(boxes) == len(captions) and not any(one.overlaps(other) for one, other in pairs)


def test_the_table_is_put_between_its_marks_and_nothing_else_changes(tmp_path: Path):
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    for _ in range(2):
        put_into(document, "| new |\n")
        assert document.read_text() == "before\n<!-- results -->\n| new |\n<!-- /results -->\nafter\n"
    document.write_text("no marks\n")
    with pytest.raises(UserError, match=r"README\.md: no results marks; allowed: .*<!-- results -->"):
        put_into(document, "| new |")
    assert document.read_text() == "no marks\n"


def without_durations(table: list[list[str]]) -> list[list[str]]:
    """Rows less the columns that another machine, or the same one busy, fills with other numbers."""
    return [
        [
            cell
            for cell, column in zip(row, ("dataset", *COLUMNS), strict=True)
            if column not in ("train s", "latency ms")
        ]
        for row in table
    ]


def test_the_table_of_the_readme_is_that_of_the_results_here(tmp_path: Path):
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("README.md is not written yet")
    shown = MARKED.search(readme.read_text(encoding="utf-8"))
    assert shown, "README.md: no table between <!-- results --> and <!-- /results -->"
    variants = {name: block["dataset"] for name, block in load_params(ROOT / "params.yaml")["variants"].items()}
    report(variants, ROOT / "reports", tmp_path / "report")
    rows = markdown_rows((tmp_path / "report/results.md").read_text(encoding="utf-8"))
    assert without_durations(markdown_rows(shown.group(1))) == without_durations(rows), (
        "out of date; put the new table in with: python -m pipeline report --into README.md"
    )
