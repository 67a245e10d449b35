"""The comparison of two models: known answers, how often it errs, and how often it finds what is there."""

from collections.abc import Iterator
from math import comb

import numpy as np
import pytest
from found import VARIANTS, Case, label

from pipeline.config import load_params
from pipeline.dataset import Array, Segmentation
from pipeline.plugins import load_plugin, plugin_names
from pipeline.promotion.rule import RESAMPLES, Comparison, compare, is_leaner, resample, swap
from pipeline.segments import LEVELS
from pipeline.tasks.classification import metric_of

EXAMPLES, PAIRS = 1_000, 200
CONFIDENCE = 0.95


def rows(right: Array) -> Array:
    return np.stack([right, np.ones(len(right))], axis=1).astype(np.float64)


def against(champion: Array, challenger: Array, num_challengers: int = 1, confidence: float = CONFIDENCE) -> Comparison:
    return compare(rows(champion), rows(challenger), metric_of, False, confidence, num_challengers)


def drawn_pairs(disagreement: float, better_by: float, seed: int) -> Iterator[tuple[Array, Array]]:
    """Answers (right or not) of two models to 1,000 examples, drawn: they disagree on a share of these."""
    rng = np.random.default_rng(seed)
    for _ in range(PAIRS):
        champion = rng.random(EXAMPLES) < 0.9
        differs = rng.random(EXAMPLES) < disagreement
        wins = rng.random(EXAMPLES) < (1 + better_by / disagreement) / 2
        yield np.where(differs, ~wins, champion), np.where(differs, wins, champion)


def num_promoted(disagreement: float, better_by: float, seed: int) -> int:
    pairs = drawn_pairs(disagreement, better_by, seed)
    return sum(against(*pair).verdict(tolerance=0) == "better" for pair in pairs)


@pytest.mark.parametrize(("disagreement", "seed"), [(0.002, 101), (0.01, 102), (0.05, 103), (0.2, 104)])
def test_equal_models_are_rarely_taken_for_better(disagreement: float, seed: int) -> None:
    assert num_promoted(disagreement, 0, seed) <= 0.05 * PAIRS


@pytest.mark.parametrize(("disagreement", "better_by", "seed"), [(0.03, 0.02, 201), (0.1, 0.05, 202)])
def test_a_better_model_is_found(disagreement: float, better_by: float, seed: int) -> None:
    assert num_promoted(disagreement, better_by, seed) >= 0.9 * PAIRS


def test_ten_equal_challengers_together_are_rarely_taken_for_better() -> None:
    rng, wrong = np.random.default_rng(301), 0
    for _ in range(PAIRS // 4):
        champion = rng.random(EXAMPLES) < 0.9
        challengers = [np.where(rng.random(EXAMPLES) < 0.1, rng.random(EXAMPLES) < 0.9, champion) for _ in range(10)]
        wrong += any(against(champion, one, num_challengers=10).verdict(0) == "better" for one in challengers)
    assert wrong <= 0.06 * PAIRS / 4


@pytest.mark.parametrize(("wins", "losses"), [(4, 0), (5, 1), (6, 0), (9, 3), (40, 22), (75, 25)])
def test_the_p_value_is_that_of_the_sign_test_where_metrics_count_right_answers(wins: int, losses: int) -> None:
    champion, challenger = np.zeros(500, bool), np.zeros(500, bool)
    challenger[:wins] = champion[wins : wins + losses] = True
    n = wins + losses
    exact = min(1.0, 2 * sum(comb(n, k) for k in range(wins, n + 1)) / 2**n)
    found = against(champion, challenger).p
    assert found == pytest.approx(exact, abs=1e-9 if n <= 13 else 4 * np.sqrt(exact / RESAMPLES) + 1 / RESAMPLES)


def test_the_interval_alone_would_be_too_bold() -> None:
    champion, challenger = np.ones(1000, bool), np.ones(1000, bool)
    champion[:4] = False
    found = against(champion, challenger)
    assert found.difference == pytest.approx(0.004)
    assert found.interval[0] > 0 and found.p == pytest.approx(0.125)
    assert found.verdict(tolerance=0) == "equal"
    assert against(challenger, champion).verdict(tolerance=0) == "undecided"
    assert against(challenger, champion).verdict(tolerance=0.01) == "equal"


def test_the_interval_is_that_of_the_normal_approximation_where_that_holds() -> None:
    rng = np.random.default_rng(1)
    champion, challenger = rng.random((2, 4000)) < 0.8
    gain = challenger.astype(float) - champion
    found, half = against(champion, challenger), 1.96 * gain.std() / np.sqrt(len(gain))
    assert found.interval == pytest.approx((gain.mean() - half, gain.mean() + half), abs=0.05 * half)
    narrower = against(champion, challenger, confidence=0.5)
    assert found.interval[0] < narrower.interval[0] < narrower.interval[1] < found.interval[1]
    assert against(champion, challenger, num_challengers=5).interval[0] < found.interval[0]


def test_real_valued_statistics_in_which_less_is_better() -> None:
    """Squared errors and a count: the root of their mean."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=600)
    champion, challenger = (np.stack([(scale * noise) ** 2, np.ones(600)], axis=1) for scale in (1.0, 0.9))

    def root_mean_square(sums: Array) -> Array:
        return np.sqrt(sums[..., 0] / sums[..., 1])

    found = compare(champion, challenger, root_mean_square, True, CONFIDENCE, 1)
    errors = np.sqrt(champion[:, 0].mean()) - np.sqrt(challenger[:, 0].mean())
    assert found.difference == pytest.approx(errors) and found.difference > 0
    assert found.verdict(0) == "better"
    assert compare(challenger, champion, root_mean_square, True, CONFIDENCE, 1).verdict(1) == "worse"
    spread = np.std([0.1 * np.sqrt(np.mean(rng.choice(noise, 600) ** 2)) for _ in range(4000)])
    assert (found.interval[1] - found.interval[0]) / (2 * 1.96) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("num_kinds", [3, 400])
def test_resamples_hold_as_many_examples_as_there_are(num_kinds: int) -> None:
    pairs = np.stack([np.arange(400) % num_kinds, np.ones(400)], axis=1)
    sums = np.concatenate(list(resample(pairs)))
    assert len(sums) == RESAMPLES and (sums[:, 1] == 400).all()
    assert sums[:, 0].mean() == pytest.approx(pairs[:, 0].sum(), rel=0.01)
    deviation = np.sqrt(400) * pairs[:, 0].std()
    assert sums[:, 0].std() == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize(("num_differing", "ways"), [(0, 1), (3, 8), (50, RESAMPLES)])
def test_swapping_hands_out_the_same_answers(num_differing: int, ways: int) -> None:
    champion, challenger = np.ones(100, bool), np.ones(100, bool)
    champion[:num_differing] = False
    sums = np.concatenate(list(swap(rows(champion), rows(challenger))))
    assert len(sums) == ways
    assert (sums[:, 0] + sums[:, 2] == 200 - num_differing).all()
    assert (sums[:, 1] == 100).all() and (sums[:, 3] == 100).all()


def test_the_same_comparison_gives_the_same_numbers() -> None:
    pair = next(drawn_pairs(0.2, 0.02, 5))
    assert against(*pair) == against(*pair)


def test_models_that_answer_alike_are_equal() -> None:
    found = against(np.ones(2, bool), np.ones(2, bool))
    assert (found.difference, found.interval, found.p) == (0, (0, 0), 1)
    assert found.verdict(0) == "equal"


@pytest.mark.parametrize(
    ("megabytes", "milliseconds", "how"),
    [
        ((10, 9), (1, 1.1), "smaller"),
        ((10, 9.1), (1, 1), None),
        ((10, 5), (1, 1.2), None),
        ((10, 11), (1, 0.9), "faster"),
        ((10, 11.5), (1, 0.5), None),
        ((10, 10), (1, 1), None),
    ],
)
def test_leaner_means_smaller_or_faster_by_the_margin(megabytes, milliseconds, how) -> None:
    assert is_leaner(megabytes, milliseconds, margin=0.1) == how


def test_no_two_models_take_the_place_from_each_other() -> None:
    """Worse beyond doubt is not equal, however small: its smaller size would win what its score loses again."""
    champion, challenger = np.ones(1000, bool), np.ones(1000, bool)
    challenger[:8] = False
    assert against(champion, challenger).verdict(tolerance=0.05) == "worse"
    assert against(challenger, champion).verdict(tolerance=0.05) == "better"


def answers_by_chance(case: Case) -> tuple[Array, Array]:
    """As a task takes them: values, or a share for each label; of texts those of other examples."""
    rng, arrays = np.random.default_rng(3), case.examples(12, "test")
    if case.spec.asks == "a text":
        texts = case.view.references(arrays, case.dataset.card)
        return texts[rng.integers(0, len(texts), len(texts))], texts
    targets = case.view.targets(arrays, case.dataset.card)
    if "value" in case.spec.asks:
        return rng.random(targets.shape, dtype=np.float32), targets
    outputs = rng.random((*targets.shape, case.spec.num_outputs), dtype=np.float32)
    return outputs / outputs.sum(axis=-1, keepdims=True), targets


@pytest.mark.parametrize("name", plugin_names("tasks"))
def test_every_tasks_statistics_add_up_to_its_deciding_metric(name: str) -> None:
    task = load_plugin("tasks", name, "tests")
    cases: list[Case] = [case for case in VARIANTS if case.block.task == name]
    cases = cases or [case for case in VARIANTS if case.spec.asks in task.ANSWERS]  # which it could score as well
    assert cases
    for case in cases:
        outputs, targets = answers_by_chance(case)
        chosen = Segmentation(smoothing=1, threshold=0.06, shortest=1)  # by which only `detection` goes
        card = case.dataset.card.model_copy(update={"segmentation": chosen})
        found = task.statistics(outputs, targets, card)
        width = len(card.classes[1:]) * (2 * LEVELS + 1) if name == "detection" else len(task.STATISTICS)
        assert found.shape == (len(targets), width) and found.dtype.kind == "f", label(case)
        measured = task.measure(outputs, targets, card)[task.METRIC]
        assert task.metric_of(found.sum(axis=0)) == pytest.approx(measured, abs=1e-12), label(case)
        groups = np.stack([found[:5].sum(axis=0), found[5:].sum(axis=0)])
        for half, value in zip((slice(0, 5), slice(5, None)), task.metric_of(groups), strict=True):
            part = task.measure(outputs[half], targets[half], card)[task.METRIC]
            assert value == pytest.approx(part, abs=1e-12)


def test_params_yaml_has_a_block_for_a_dataset_with_several_variants() -> None:
    params = load_params()
    for dataset in params["promotion"]:
        assert sum(block["dataset"] == dataset for block in params["variants"].values()) > 1
