"""What the curves of a training are taken for, and what is said about them. Those in tests/histories are real."""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from found import PARAMS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from project import Finished, Project

from pipeline.blocks import VariantBlock
from pipeline.config import variant_block
from pipeline.diagnosis import VERDICTS, Diagnosis, Sign, diagnose
from pipeline.diagnosis_report import BLOCKS, WIDEST, sparklines
from pipeline.errors import UserError
from pipeline.places import read_history
from pipeline.remedies import remedies
from pipeline.training import Training

pytest_plugins = ["project"]

Cli = Callable[..., Finished]
History = list[dict[str, float]]
HISTORIES = {path.stem: path for path in sorted((ROOT / "tests/histories").glob("*.csv"))}
T = np.arange(12.0)
DECAY = np.exp(-T / 2)
SPIKE = np.where(T == 7, 1.4, 0.0)
SWING = 0.15 * (-1) ** T
# Losses of training and validation after each of twelve rounds, and what they are a sign of.
CURVES: dict[str, tuple[Sign, Any, Any]] = {
    "straight down": ("falling", 1 - 0.05 * T, 1.02 - 0.05 * T),
    "power law": ("falling", 7 * (1 + T) ** -0.25, 7.1 * (1 + T) ** -0.25),
    "at chance": ("stuck", 0.693 + 0.001 * np.cos(3 * T), 0.694 + 0.001 * np.sin(2 * T)),
    "U-shaped": ("rise", np.exp(-T / 3), 0.6 * DECAY + 0.03 * T),
    "from the first round": ("rise", np.exp(-T / 3), 0.7 + 0.05 * T),
    "by heart": ("gap", DECAY, 0.5 + 0.1 * np.exp(-T)),
    "to a floor": ("flat", DECAY + 0.2, 0.22 + 0.6 * DECAY),
    "with dropout": ("flat", 0.3 + 0.7 * DECAY, 0.15 + 0.6 * DECAY),
    "below zero": ("flat", DECAY - 3, DECAY - 2.95),
    "a small bump": ("flat", DECAY + SPIKE / 100, DECAY + SPIKE / 50),
    "spike of both": ("jump", DECAY + SPIKE, DECAY + SPIKE),
    "spike of validation": ("jump", DECAY, DECAY + SPIKE),
    "spike at the end": ("jump", DECAY, DECAY + np.where(T == 11, 1.4, 0.0)),
    "away from the start": ("jump", 0.7 + 0.3 * T, 0.7 + 0.4 * T),
    "to and fro": ("swings", DECAY + SWING, DECAY + SWING),
    "validation to and fro": ("validation swings", DECAY, DECAY + SWING),
    "both up again": ("both rise", DECAY + 0.02 * T, DECAY + 0.025 * T),
}
# As `python -m pipeline` runs it; says on stderr what was imported.
RUN = """
import atexit, runpy, sys
sys.argv = ["pipeline", "diagnose", "digits_cnn"]
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
"""
METRICS = {"metric": "accuracy", "higher_is_better": True, "gate": "passed"}


def rounds(loss: Sequence[float], val_loss: Sequence[float]) -> History:
    """The rows of a history, validated every hundred updates."""
    return [
        {"epoch": place, "step": 100 * place, "loss": float(a), "val_loss": float(b), "val_accuracy": 0.5}
        for place, (a, b) in enumerate(zip(loss, val_loss, strict=True), start=1)
    ]


def scored(score: float, ceiling: float | None = 1.0, **differs: Any) -> dict[str, Any]:
    share = None if ceiling is None else score / ceiling
    return METRICS | {"score": score, "ceiling": ceiling, "share_of_ceiling": share} | differs


def block(name: str = "digits_cnn", **training: Any) -> VariantBlock:
    """A variant of params.yaml, some of its training block changed."""
    found = variant_block(name, PARAMS)
    changed = Training.model_validate(found.training.model_dump() | training)
    return found.model_copy(update={"training": changed})


def tried(name: str, within: VariantBlock) -> dict[str | None, tuple[Any, Any]]:
    """What is to be tried about one of `CURVES`: from which value to which, by key, in order."""
    _, *curves = CURVES[name]
    history = rounds(*curves)
    return {remedy.key: (remedy.now, remedy.then) for remedy in remedies("own", diagnose(history), within, history)}


@pytest.mark.parametrize("name", CURVES)
def test_each_shape_is_taken_for_what_it_is(name: str) -> None:
    sign, *curves = CURVES[name]
    found = diagnose(rounds(*curves))
    assert (found.sign, found.verdict) == (sign, VERDICTS[sign]), found.reason


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_unit_of_the_loss_makes_no_difference(name: str, factor: float) -> None:
    sign, loss, val_loss = CURVES[name]
    assert diagnose(rounds(factor * loss, factor * val_loss)).sign == sign


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(CURVES)), noise=st.lists(st.floats(-1, 1), min_size=24, max_size=24))
def test_slight_noise_makes_no_difference(name: str, noise: list[float]) -> None:
    sign, loss, val_loss = CURVES[name]
    size = 0.003 * (max(loss.max(), val_loss.max()) - min(loss.min(), val_loss.min()))
    found = diagnose(rounds(loss + size * np.array(noise[:12]), val_loss + size * np.array(noise[12:])))
    assert found.verdict == VERDICTS[sign], found.reason


@pytest.mark.parametrize("num_rounds", [5, 12, 30, 100])
def test_noise_of_batches_is_seldom_taken_for_more(num_rounds: int) -> None:
    rng, t = np.random.default_rng(0), np.linspace(0, 8, num_rounds)
    noise = rng.normal(scale=0.02, size=(100, 2, num_rounds))
    signs = [diagnose(rounds(np.exp(-t) + 0.2 + a, 0.8 * np.exp(-t) + 0.22 + b)).sign for a, b in noise]
    assert signs.count("flat") >= 95


def test_too_few_rounds_say_nothing_and_three_may() -> None:
    for losses in ([1.0], [1.0, 0.2]):
        assert diagnose(rounds(losses, losses)).verdict == "too short to say"
    assert diagnose(rounds([0.6, 0.3, 0.1], [0.4, 0.3, 0.5])).verdict == "over-fit"
    assert diagnose(rounds([1.0, 0.7, 0.5], [0.9, 0.7, 0.5])).verdict == "under-fit"
    assert diagnose(rounds([1.0, 0.1, 0.9], [0.9, 0.1, 0.8])).verdict == "unstable"
    assert diagnose(rounds([1.0, 0.1, 0.08], [0.3, 0.1, 0.09])).verdict == "good fit"


def test_what_is_no_number_is_unstable_and_zeros_are_not() -> None:
    assert diagnose(rounds([1.0, float("nan"), 1.0], [1.0, 1.0, 1.0])).sign == "no number"
    assert diagnose(rounds([0.0] * 3, [0.0] * 3), scored(1.0)).verdict == "good fit"


def test_a_reason_has_the_numbers() -> None:
    found = diagnose(rounds([1, 0.6, 0.4, 0.2], [0.9, 0.5, 0.6, 0.7]), scored(0.9))
    assert found == Diagnosis(
        "rise",
        "val_loss has risen from 0.5 at step 200 to 0.7, 25.0% of the fall, while loss went from 0.6 to 0.2; "
        "accuracy is 0.9 of at most 1 (90.0%), the gate passed",
        round=1,
    )


def test_the_score_decides_where_the_curves_leave_it_open() -> None:
    _, *falling = CURVES["straight down"]
    assert diagnose(rounds(*falling), scored(0.995)).sign == "reached"
    _, *by_heart = CURVES["by heart"]
    assert diagnose(rounds(*by_heart), scored(0.995)).sign == "reached"
    _, *flat = CURVES["to a floor"]
    assert diagnose(rounds(*flat), scored(0.7)).sign == "far"
    assert diagnose(rounds(*flat), scored(0.95)).sign == "flat"
    assert diagnose(rounds(*flat), scored(0.95, ceiling=None)).sign == "flat"
    assert diagnose(rounds(*flat), scored(0.95, ceiling=None, gate="failed")).sign == "far"
    error = scored(4.0, 2.0, share_of_ceiling=0.5, higher_is_better=False, metric="rmse")
    assert "rmse is 4 of at least 2 (50.0%)" in diagnose(rounds(*flat), error).reason


def test_trained_weights_may_have_nothing_to_learn() -> None:
    _, *curves = CURVES["at chance"]
    assert diagnose(rounds(*curves), continued=True).verdict == "good fit"
    noisy = rounds(0.2 + 0.004 * np.sin(3 * T), 0.2 + 0.004 * np.cos(3 * T))
    assert diagnose(noisy, continued=True).verdict == "good fit"


@pytest.mark.parametrize("name", HISTORIES)
def test_the_committed_variants_fit_well_with_their_score_and_without(name: str) -> None:
    with HISTORIES[name].open() as file:
        history = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    metrics = json.loads((ROOT / "reports" / name / "metrics.json").read_text())
    assert diagnose(history, metrics).verdict == diagnose(history).verdict == "good fit"
    assert diagnose(history[:2]).verdict == "too short to say"


@pytest.mark.parametrize("name", PARAMS["variants"])
def test_what_is_here_can_be_read(name: str, cli: Cli) -> None:
    if not read_history(ROOT / "reports" / name):
        pytest.skip(f"{name} is not trained here")
    assert cli(Project(ROOT), "diagnose", name).succeeded().out.startswith(f"{name}: ")


def test_what_to_try_is_in_the_numbers_of_the_block() -> None:
    short = block(steps=1200, validate_every=100, early_stopping=None)
    assert tried("straight down", short) == {
        "training.steps": (1200, 2400),
        "training.learning_rate": (0.001, 0.003),
    }
    stopped = block(steps=None, validate_every=None, epochs=50, early_stopping=3)
    assert next(iter(tried("straight down", stopped).items())) == ("training.early_stopping", (3, 6))

    over = tried("U-shaped", block(schedule="constant", keep="last"))
    assert list(over)[:3] == ["training.keep", "training.early_stopping", "network.dropout"]
    assert over["training.keep"] == ("last", "best") and over["network.dropout"] == (0.15, 0.35)
    assert over["training.label_smoothing"] == (0.0, 0.1) and over["network.filters"] == ([32, 64], [16, 32])
    assert tried("U-shaped", block())["training.steps"] == (500, 600)  # cosine: its rate ends where the training does
    assert "training.label_smoothing" not in tried("U-shaped", block(label_smoothing=0.1))
    assert "training.keep" not in tried("by heart", block(keep="last"))  # whose last weights are the best

    steadier = tried("to and fro", block(schedule="constant"))
    assert steadier["training.learning_rate"] == (0.001, 0.00033)
    assert steadier["training.clip_norm"] == (None, 1.0) and steadier["training.schedule"] == ("constant", "cosine")
    assert tried("to and fro", block(clip_norm=0.1))["training.clip_norm"] == (0.1, 0.033)
    assert tried("at chance", block("memory_lstm"))["network.units"] == (20, 40)


def test_the_bound_that_is_set_is_the_one_to_lower() -> None:
    steadier = tried("to and fro", block(clip_value=0.1))
    assert steadier["training.clip_value"] == (0.1, 0.033) and "training.clip_norm" not in steadier


def test_no_width_is_tried_that_cannot_be_built() -> None:
    """The last layer's outputs are the answers of one network; another begins with weights of their width."""
    wider, narrower = (tried(curve, block("variable_lengths_lstm")) for curve in ("at chance", "by heart"))
    assert wider["network.units"] == ([128, 64, 1], [256, 128, 1])
    assert narrower["network.units"] == ([128, 64, 1], [64, 32, 1])
    assert "network.units" in tried("at chance", block("updated_from_scratch"))
    for curve in ("at chance", "by heart", "U-shaped"):
        assert "network.units" not in tried(curve, block("updated_continued"))


def test_weights_from_before_the_rise_are_named() -> None:
    _, *curves = CURVES["U-shaped"]
    history = rounds(*curves)
    lines = [str(remedy) for remedy in remedies("own", diagnose(history), block(), history)]
    assert "keep: best is set, so the exported weights are those of step 600, its lowest val_loss" in lines


@pytest.mark.parametrize("variant", PARAMS["variants"])
@pytest.mark.parametrize("name", [*CURVES, "short"])
def test_whatever_is_advised_is_allowed_and_different(name: str, variant: str) -> None:
    _, *curves = CURVES.get(name, ("few rounds", [1.0, 0.5], [1.0, 0.5]))
    history, within = rounds(*curves), variant_block(variant, PARAMS)
    found = remedies(variant, diagnose(history), within, history)
    assert found
    for remedy in found:
        if remedy.key:
            part, _, key = remedy.key.partition(".")
            before = getattr(within, part)
            assert before.model_dump()[key] == remedy.now != remedy.then
            type(before).model_validate(before.model_dump() | {key: remedy.then})


def test_sparklines_share_one_scale_and_stay_narrow() -> None:
    assert sparklines([[128, 16, 1], [16, 2, 1]]) == ["█▅▁", "▅▂▁"]  # doublings
    assert sparklines([[7, 4, 0], [4, 1, 0]]) == ["█▅▁", "▅▂▁"]
    assert sparklines([[2, 2], [2, 2]]) == ["▁▁", "▁▁"]
    assert [len(line) for line in sparklines([range(1, 500), range(1, 10)])] == [WIDEST, 9]


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    for text in ("step,loss\n1,oops\n", "step,loss\n1\n", "step,loss\n1,2,3\n"):
        (tmp_path / "history.csv").write_text(text)
        with pytest.raises(UserError, match=r"history\.csv: damaged .* dvc repro train@"):
            read_history(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three variants, the first of which over-fits, the second fits well, the third was not trained."""
    names = ("digits_cnn", "memory_lstm", "digits_quadrants_lstm5")
    variants = {name: PARAMS["variants"][name] for name in names}
    datasets = {name: PARAMS["datasets"][name] for name in ("digits", "memory")}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"datasets": datasets, "variants": variants}))
    for name, shape in zip(names, ("U-shaped", "to a floor"), strict=False):
        _, *curves = CURVES[shape]
        write_history(tmp_path / "reports" / name, rounds(*curves))
    return Project(tmp_path)


def write_history(folder: Path, history: History) -> None:
    folder.mkdir(parents=True)
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def test_the_command_says_verdict_reason_and_what_to_try(project: Project, cli: Cli) -> None:
    lines = cli(project, "diagnose", "digits_cnn").succeeded().lines()
    assert lines[0] == "digits_cnn: over-fit"
    assert lines[1].split()[0] == "loss" and set(lines[1].split()[1]) <= set(BLOCKS)
    assert lines[3].startswith("why: val_loss has risen from 0.1993 at step 600 to 0.3325, ")
    assert lines[5] == "  1. training.steps: 500 -> 600, to end where it was best, with the rate at zero by then"
    assert lines[-1] == (
        "try training.steps: python -m pipeline set variants.digits_cnn.training.steps=600"
        " && dvc exp run evaluate@digits_cnn"
    )


def test_the_score_is_used_where_it_is_of_this_training(project: Project, cli: Cli) -> None:
    folder = project / "reports/memory_lstm"
    (folder / "metrics.json").write_text(json.dumps(scored(0.5, fingerprint="this")))
    for trained, verdict in (("this", "under-fit"), ("another", "good fit")):
        (folder / "train_timing.json").write_text(json.dumps({"fingerprint": trained}))
        assert cli(project, "diagnose", "memory_lstm").lines()[0] == f"memory_lstm: {verdict}"


def test_without_a_variant_there_is_a_line_for_each(project: Project, cli: Cli) -> None:
    done = cli(project, "diagnose").succeeded()
    assert "over-fit" in done.out and "good fit" in done.out and "digits_quadrants_lstm5" not in done.out
    assert "diagnose: 2 variants; not trained here: digits_quadrants_lstm5" in done.err

    with project.changing_params() as params:
        params["variants"]["memory_lstm"]["view"] = "frame"
    done = cli(project, "diagnose").succeeded()
    assert "over-fit" in done.out and "good fit" not in done.out
    assert "left out: params.yaml: variants.memory_lstm.view: found 'frame'" in done.err


def test_json_is_one_object_or_an_array(project: Project, cli: Cli) -> None:
    one = json.loads(cli(project, "diagnose", "digits_cnn", "--json").succeeded().out)
    assert (one["variant"], one["verdict"], one["sign"]) == ("digits_cnn", "over-fit", "rise")
    assert one["next"][0]["key"] == "training.steps" and one["next"][0]["then"] == 600
    assert {remedy["key"] for remedy in one["next"]} > {None}
    every = json.loads(cli(project, "diagnose", "--json").succeeded().out)
    assert [each["variant"] for each in every] == ["digits_cnn", "memory_lstm"] and every[0] == one


def test_what_is_unknown_or_untrained_is_an_error_that_helps(project: Project, cli: Cli) -> None:
    done = cli(project, "diagnose", "digit_cnn")
    assert done.code == 2 and "no 'digit_cnn'; did you mean 'digits_cnn'?" in done.err and not done.out
    done = cli(project, "diagnose", "digits_quadrants_lstm5")
    assert done.code == 2 and "make it with: dvc repro train@digits_quadrants_lstm5" in done.err


def test_it_starts_without_what_it_does_not_need(project: Project) -> None:
    done = project.run(sys.executable, "-c", RUN, PYTHONPATH=str(ROOT)).succeeded()
    loaded = {name.partition(".")[0] for name in done.err.split()}
    assert "numpy" in loaded and not loaded & {"keras", "tensorflow", "mlflow", "pandas", "matplotlib", "dvc"}
