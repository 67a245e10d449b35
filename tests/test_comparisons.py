"""Figures of several variants: each kind drawn from made-up scores, what it refuses, and its place in the report."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from found import PARAMS
from project import CLIP, IMAGE, MEMORY, Project

from pipeline.blocks import ComparisonBlock
from pipeline.compared import Compared, read_compared
from pipeline.config import check_all, comparison_block
from pipeline.errors import UserError
from pipeline.plugins import load_plugin, plugin_names
from pipeline.stages.report import report

pytest_plugins = ["project"]

KINDS = plugin_names("comparisons")
NAMES = ("one", "two", "three")
LAGS = {"parameter": "lag", "lines": {"all of them": list(NAMES)}}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def made_up(folder: Path, **differs: Any) -> list[Compared]:
    """Three variants with scores, curves, predictions and gradients; shapes and lags that differ."""
    found = []
    for place, (name, shape) in enumerate(zip(NAMES, ("one_to_one", "many_to_many", "encoder_decoder"), strict=True)):
        reports = folder / name
        (reports / "figures").mkdir(parents=True)
        steps = [1] if shape == "one_to_one" else [1, 2, 3]
        rows = "".join(f"0,{step},answer,{step / 4},{step / 5},{4 - step},{step % 2}\n" for step in steps)
        (reports / "predictions.csv").write_text("example,step,value,actual,predicted,source_tokens,exact\n" + rows)
        history = "".join(f"{n},{10 * n},{1 / n},{1 / n + place}\n" for n in (1, 2, 3))
        (reports / "history.csv").write_text("epoch,step,loss,val_loss\n" + history)
        gradients = [
            f"{when},{step},{10.0 ** (step - 4 + place)},{10.0 ** (step - 4)}"
            for when in ("first weights", "last weights")
            for step in (1, 2, 3)
        ]
        (reports / "figures/gradients.csv").write_text("when,step,norm,clipped\n" + "\n".join(gradients) + "\n")
        metrics = {"metric": "mse", "score": 0.1 * (place + 1), "ceiling": 0.05, "higher_is_better": False}
        metrics |= {"num_parameters": 1000 * (place + 1)} | differs
        variant = {"dataset": f"of_{name}", "network": {"longest_memory": 10} if place else {}}
        dataset = {"parameters": {"shape": shape, "steps": 3, "lag": 10 ** (3 - place)}}
        found.append(Compared(name, variant, dataset, metrics, reports))
    return found


def drawn(kind: str, compared: list[Compared], **options: Any) -> Any:
    plugin = load_plugin("comparisons", kind, "tests")
    return plugin.draw(compared, plugin.Parameters(**((LAGS if kind == "score_by" else {}) | options)))


def words(figure: Any) -> str:
    """All text of a figure."""
    from matplotlib.text import Text

    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_figure_and_the_same_one_again(kind: str, tmp_path: Path) -> None:
    from pipeline import figures

    for turn in ("first", "again"):
        figures.save(drawn(kind, made_up(tmp_path / turn)), tmp_path / turn / "figure.png")
    picture = (tmp_path / "first/figure.png").read_bytes()
    assert picture.startswith(PNG) and len(picture) > 3000
    assert picture == (tmp_path / "again/figure.png").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_one_variant_alone(kind: str, tmp_path: Path) -> None:
    drawn(kind, made_up(tmp_path)[1:2]).canvas.draw()


def test_curves_are_the_validation_losses_and_the_smallest_ceiling(tmp_path: Path) -> None:
    (axis,) = drawn("curves", made_up(tmp_path), ceiling=True).axes
    for place, name in enumerate(NAMES):
        line = next(line for line in axis.lines if line.get_label() == name)
        assert list(line.get_xdata()) == [10, 20, 30]
        assert list(line.get_ydata()) == pytest.approx([1 + place, 1 / 2 + place, 1 / 3 + place])
    assert list(axis.lines[-1].get_ydata()) == [0.05, 0.05]


def test_a_ceiling_that_nobody_knows_is_not_drawn(tmp_path: Path) -> None:
    unknown = made_up(tmp_path, ceiling=None)
    assert len(drawn("curves", unknown, ceiling=True).axes[0].lines) == 3
    for kind in sorted(set(KINDS) - {"curves"}):
        drawn(kind, unknown).canvas.draw()


def test_scores_are_bars_with_their_numbers(tmp_path: Path) -> None:
    figure = drawn("scores", made_up(tmp_path))
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.1, 0.2, 0.3])
    text = words(figure)
    assert "mse (lower is better); dashed: best reachable" in text and "0.2000   2,000 parameters" in text
    assert [list(line.get_xdata()) for line in axis.lines] == [[0.05, 0.05]]
    higher = drawn("scores", made_up(tmp_path / "higher", metric="accuracy", higher_is_better=True))
    assert "accuracy; dashed" in words(higher)


def test_scores_over_a_parameter_are_lines_in_its_order(tmp_path: Path) -> None:
    (axis,) = drawn("score_by", made_up(tmp_path), lines={"usual": ["one"], "chrono": ["two", "three"]}).axes
    lines = {line.get_label(): line for line in axis.lines}
    assert list(lines["usual"].get_xdata()) == [1000]
    assert list(lines["chrono"].get_xdata()) == [10, 100]
    assert list(lines["chrono"].get_ydata()) == pytest.approx([0.3, 0.2])
    assert axis.get_xlabel() == "lag" and axis.get_ylabel() == "mse"


@pytest.mark.parametrize("metric", ["mse", "accuracy"])
def test_no_score_lies_outside_the_figure(metric: str, tmp_path: Path) -> None:
    far = made_up(tmp_path, metric=metric, score=3.0 if metric == "mse" else 1.0, higher_is_better=metric != "mse")
    for kind in ("score_by", "scores"):
        (axis,) = drawn(kind, far).axes
        lowest, highest = axis.get_ylim() if kind == "score_by" else axis.get_xlim()
        assert lowest <= far[0].metrics["score"] <= highest


def test_exact_answers_are_shares_of_equally_many_texts_the_shortest_first(tmp_path: Path) -> None:
    compared = made_up(tmp_path)
    rows = "".join(f"{length},{int(length < 9)}\n" for length in range(16, 0, -1))
    (compared[0].folder / "predictions.csv").write_text("source_tokens,exact\n" + rows)
    (axis,) = drawn("by_length", compared).axes
    first, second, _ = axis.lines
    assert list(first.get_xdata()) == [1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13.5, 15.5]
    assert list(first.get_ydata()) == [1, 1, 1, 1, 0, 0, 0, 0]
    assert list(second.get_xdata()) == [1, 2, 3] and list(second.get_ydata()) == [1, 0, 1]


def test_mappings_show_the_numbers_of_the_first_example(tmp_path: Path) -> None:
    figure = drawn("mappings", made_up(tmp_path))
    assert len(figure.axes) == 3
    text = words(figure)
    for number in ("0.20", "0.40", "0.60", "(0.25)", "(0.50)", "(0.75)"):
        assert text.count(number) >= 2
    assert "encoder decoder\nmse 0.3000, noise 0.0500" in text
    boxes = [len(axis.patches) for axis in figure.axes]
    assert [boxes[0], boxes[1]] == [1 + 1 + 1, 3 + 3 + 3]
    assert boxes[2] >= 3 + 6 + 3  # read three, then answer three; remembered all along


def test_costs_are_a_row_a_variant_with_its_own_ceiling_and_the_features_apart(tmp_path: Path) -> None:
    compared = made_up(tmp_path, metric="accuracy", fingerprint="same", references={"a single frame": {"mse": 1}})
    compared[0].metrics["references"] = {"a single frame": 0.02}
    for place, one in enumerate(compared):
        (one.folder / "metrics.json").write_text(json.dumps(one.metrics))
        timing = {"train_seconds": 10.0 * (place + 1), "peak_megabytes": 900, "fingerprint": "same"}
        (one.folder / "train_timing.json").write_text(json.dumps(timing))
        (one.folder / "inference_timing.json").write_text(json.dumps({"latency_ms": 2.0}))
    (tmp_path / "data/of_two").mkdir(parents=True)
    timing = {"derive_seconds": 5.0, "derive_ms_per_example": 0.5}
    (tmp_path / "data/of_two/derive_timing.json").write_text(json.dumps(timing))
    with pytest.raises(UserError, match=r"own_ceilings.one: no reader 'one frame'; .* Allowed: a single frame"):
        drawn("costs", compared, own_ceilings={"one": "one frame"})
    figure = drawn("costs", compared, own_ceilings={"one": "a single frame"})
    scores, parameters, training, answering, memory = figure.axes
    assert [list(line.get_xdata()) for line in scores.lines] == [[0.02] * 2, [0.05] * 2, [0.05] * 2]
    widths = {axis: [bar.get_width() for bar in axis.patches] for axis in (parameters, training, answering, memory)}
    assert widths[training] == [0, 5, 0, 10, 20, 30]
    assert widths[answering] == [0, 0.5, 0, 2, 2, 2]
    assert widths[parameters][3:] == [1000, 2000, 3000] and widths[memory][3:] == [900] * 3
    text = words(figure)
    assert all(number in text for number in ("0.300", "25.0", "2.50", "3,000", "900"))


def test_gradients_are_drawn_as_they_are_and_dashed_as_clipped(tmp_path: Path) -> None:
    first, last = drawn("gradients", made_up(tmp_path)).axes
    assert (first.get_title(), last.get_title()) == ("first weights", "last weights")
    assert [line.get_linestyle() for line in first.lines] == ["-", "-", "--", "-", "--"]  # the first is not clipped
    assert list(first.lines[0].get_ydata()) == pytest.approx([1e-3, 1e-2, 1e-1])


def test_gradients_that_were_not_recorded_are_asked_for_by_their_key(tmp_path: Path) -> None:
    compared = made_up(tmp_path)
    (tmp_path / "two/figures/gradients.csv").unlink()
    with pytest.raises(UserError, match=r"params\.yaml: variants\.two\.training\.record_gradients: .*allowed.*: true"):
        drawn("gradients", compared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variants": ["line_adan"]}, r"comparisons\.new\.variants: no variant 'line_adan'; did you mean 'line_adam'"),
        ({"figure": "score"}, r"comparisons\.new\.figure: no comparisons/score\.py; did you mean 'scores'"),
        ({"parameters": {"ceilin": 1}}, r"comparisons\.new\.parameters\.ceilin: unknown key; did you mean 'ceiling'"),
        ({"variants": []}, r"comparisons\.new\.variants: found \[\]; allowed: .*at least 1"),
        ({"text": None}, r"comparisons\.new\.text: found None"),
        ({"txt": "?"}, r"comparisons\.new\.txt: unknown key; did you mean 'text'"),
    ],
)
def test_check_names_what_is_wrong_with_a_comparison(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    good = {"figure": "curves", "variants": ["line_adam"], "text": "a line", "parameters": {"ceiling": True}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(PARAMS | {"comparisons": {"new": good}}))
    assert check_all(path) == []
    path.write_text(yaml.safe_dump(PARAMS | {"comparisons": {"new": good | change}}))
    (found,) = check_all(path)
    assert re.search(message, found), found


OF_LAGS = {"parameter": "lag", "lines": {"usual": ["recall_10_lstm"]}}


@pytest.mark.parametrize(
    ("figure", "variant", "parameters", "message"),
    [
        (
            "mappings",
            "oscillator_vanilla",
            {},
            "variants: dataset of oscillator_vanilla is of source 'oscillator'; allow",
        ),
        ("mappings", "updated_refit", {}, "variants: dataset of updated_refit is of source None; allowed: 'mappings'"),
        ("gradients", "oscillator_vanilla", {}, "variants: oscillator_vanilla has no training.record_gradients; allow"),
        (
            "costs",
            "recall_10_lstm",
            {"own_ceilings": {"recall_11_lstm": "a reader"}},
            "parameters.own_ceilings: no 'recall_11_lstm' among the variants; did you mean 'recall_10_lstm'?",
        ),
        (
            "score_by",
            "recall_10_lstm",
            OF_LAGS | {"lines": {"usual": ["recall_11_lstm"]}},
            "parameters.lines.usual: no 'recall_11_lstm' among the variants; did you mean 'recall_10_lstm'?",
        ),
        (
            "score_by",
            "recall_10_lstm",
            OF_LAGS | {"parameter": "lags"},
            "parameters.parameter: dataset recall_10 of recall_10_lstm has no 'lags'; did you mean 'lag'?",
        ),
        ("by_length", "line_adam", {}, "variants: view of line_adam is 'sequence_to_value'; allowed: 'text_to_text'"),
        (
            "score_by",
            "many_to_one_lstm",
            {"parameter": "shape", "lines": {}},
            "parameters.parameter: shape of dataset many_to_one is 'many_to_one'; allowed: numbers above 0",
        ),
    ],
)
def test_check_names_variants_that_a_figure_cannot_show(
    figure: str, variant: str, parameters: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Before anything is trained, and not when all is and the report is to be made."""
    block = {"figure": figure, "variants": [variant], "text": "new", "parameters": parameters}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(PARAMS | {"comparisons": {"new": block}}))
    (found,) = check_all(path)
    assert found.startswith(f"params.yaml: comparisons.new.{message}")


@pytest.mark.parametrize("broken", ["variant", "dataset"])
def test_a_variant_that_does_not_hold_is_named_once_and_where_it_stands(broken: str, tmp_path: Path) -> None:
    params = yaml.safe_load(yaml.safe_dump(PARAMS))
    if broken == "variant":
        params["variants"]["one_to_one_dense"].pop("training")
    else:
        params["datasets"]["one_to_one"] = "mappings"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    (found,) = check_all(path)
    assert found.startswith(
        f"params.yaml: {'variants.one_to_one_dense' if broken == 'variant' else 'datasets.one_to_one'}"
    )


@pytest.mark.parametrize("name", PARAMS["comparisons"])
def test_what_comparisons_need_is_recorded_by_their_variants(name: str) -> None:
    block = comparison_block(name, PARAMS)
    variants = [PARAMS["variants"][variant] for variant in block.variants]
    if block.figure == "gradients":
        assert all(variant["training"].get("record_gradients") for variant in variants)
    if block.figure in ("scores", "score_by"):
        assert len({variant["task"] for variant in variants}) == 1
    if block.figure == "score_by":
        datasets = [PARAMS["datasets"][variant["dataset"]]["parameters"] for variant in variants]
        assert all(block.parameters.parameter in parameters for parameters in datasets)
        assert sorted(chain(*block.parameters.lines.values())) == sorted(block.variants)


def test_the_page_holds_each_figure_once_with_its_text(tmp_path: Path) -> None:
    compared = made_up(tmp_path / "reports")
    blocks = {
        name: ComparisonBlock(figure=name, variants=list(NAMES), text=f"what <{name}> shows", parameters=parameters)
        for name, parameters in {
            "curves": load_plugin("comparisons", "curves", "tests").Parameters(),
            "scores": load_plugin("comparisons", "scores", "tests").Parameters(),
        }.items()
    }
    comparisons = {name: (block, compared) for name, block in blocks.items()}
    comparisons["empty"] = (blocks["curves"], [])
    report({}, tmp_path / "reports", tmp_path / "report", comparisons=comparisons)
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert page.count('id="comparisons"') == 1 and page.count('href="#comparisons"') == 1
    for name in blocks:
        picture = (tmp_path / f"report/{name}.png").read_bytes()
        assert page.count(base64.b64encode(picture).decode()) == 1
        assert page.count(f"what &lt;{name}&gt; shows") == 1
    assert page.count("<img") == 2 and not (tmp_path / "report/empty.png").exists()
    # A variant whose newest run failed has no part in the figures; one that none is left of is not drawn.
    report({}, tmp_path / "reports", tmp_path / "report", undone=NAMES[:2], comparisons=comparisons)
    alone = tmp_path / "report/scores.png"
    assert alone.read_bytes() != picture
    report({}, tmp_path / "reports", tmp_path / "report", undone=NAMES, comparisons=comparisons)
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert not alone.exists() and "<img" not in page and "comparisons" not in page


def test_variants_without_scores_of_their_newest_training_are_not_compared(tmp_path: Path) -> None:
    params: dict[str, Any] = {"datasets": {"d": {"source": "line"}}, "derived": {}, "imports": {}}
    params["variants"] = {name: {"dataset": "d"} for name in NAMES}
    params["variants"]["not_here"] = {"dataset": "d"}  # its scores came with the clone, and nothing else did
    for name, fingerprints in {"one": ("a", "a"), "two": ("a", "b"), "not_here": ("a", "a")}.items():
        (tmp_path / name).mkdir()
        if name != "not_here":
            (tmp_path / name / "predictions.csv").touch()
        (tmp_path / name / "metrics.json").write_text(json.dumps({"score": 1.0, "fingerprint": fingerprints[0]}))
        (tmp_path / name / "train_timing.json").write_text(json.dumps({"fingerprint": fingerprints[1]}))
    (found,) = read_compared(["not_here", "three", "two", "one"], params, tmp_path)
    assert (found.name, found.variant, found.dataset) == ("one", {"dataset": "d"}, {"source": "line"})
    assert found.metrics["score"] == 1.0 and found.history == []


@pytest.mark.slow
def test_a_comparison_in_params_yaml_is_in_the_report(changeable: Project, cli: Callable[..., Any]) -> None:
    text = "how the losses of three networks fall"
    with changeable.changing_params() as params:
        params["comparisons"] = {"losses": {"figure": "curves", "variants": [CLIP, MEMORY, IMAGE], "text": text}}
    assert cli(changeable, "report").code == 0
    page = (changeable / "report/index.html").read_text(encoding="utf-8")
    assert page.count(text) == 1 and (changeable / "report/losses.png").is_file()
