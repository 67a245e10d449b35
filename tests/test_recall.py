"""Long-lag recall, and memory with random symbols between: ceilings against what counting every sequence gives."""

from collections import Counter, defaultdict
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.datasets import memory, recall
from pipeline.datasets.memory import bayes_accuracies
from pipeline.views import VIEWS


def test_the_answer_is_the_first_symbol_and_the_question_the_last() -> None:
    parameters = recall.Parameters(lag=5, cues=3, distractors=2)
    drawn = recall.draw_split(parameters, 7, np.random.default_rng(0))
    x, y = drawn["x"], drawn["y"]
    assert x.shape == (7, 6) and x.dtype == y.dtype == np.uint8
    assert y.tolist() == [0, 1, 2, 0, 1, 2, 0] == x[:, 0].tolist()
    assert set(x[:, 1:-1].ravel()) == {3, 4} and set(x[:, -1]) == {5}
    described = recall.describe(parameters, drawn)
    assert described.vocabulary == ["cue 0", "cue 1", "cue 2", "0", "1", "?"]
    assert described.classes == ["cue 0", "cue 1", "cue 2"]
    assert described.ceilings == {"accuracy": 1.0, "macro_f1": 1.0}
    spec = VIEWS["one_hot_to_label"].spec(described, (6,))
    assert spec.input_shape == (None, 6) and spec.num_outputs == 3


def test_whoever_sees_the_cue_is_always_right_and_whoever_does_not_guesses() -> None:
    parameters = recall.Parameters(lag=6, cues=4, distractors=3)
    drawn = recall.draw_split(parameters, 40_000, np.random.default_rng(1))
    assert len({(row[0], label) for row, label in zip(drawn["x"].tolist(), drawn["y"].tolist(), strict=True)}) == 4
    # The best answer to all that follows the cue, on the half it was counted on not: no better than a guess.
    counted: dict[bytes, Counter[int]] = defaultdict(Counter)
    for row, label in zip(drawn["x"][:20_000], drawn["y"][:20_000], strict=True):
        counted[row[1:].tobytes()][int(label)] += 1
    right = [
        counted[row[1:].tobytes()].most_common(1)[0][0] == label
        for row, label in zip(drawn["x"][20_000:], drawn["y"][20_000:], strict=True)
    ]
    assert np.mean(right) == pytest.approx(1 / 4, abs=0.02)


@pytest.mark.parametrize(
    ("lag", "distractors", "disjoint"),
    [(100, 1, False), (21, 2, False), (25, 2, False), (10, 4, False), (20, 4, False), (100, 2, True), (100, 4, True)],
)
def test_splits_are_disjoint_where_sequences_are_many(lag: int, distractors: int, disjoint: bool) -> None:
    parameters = recall.Parameters(lag=lag, distractors=distractors)
    train, test = (recall.draw_split(parameters, number, np.random.default_rng(number))["x"] for number in (4000, 1000))
    assert recall.describe(parameters, {"x": test}).disjoint is disjoint
    shared = {row.tobytes() for row in train} & {row.tobytes() for row in test}
    assert not (shared and disjoint)


def test_the_longest_lag_is_described_at_once() -> None:
    longest = recall.Parameters(lag=100_000, distractors=100)
    assert recall.describe(longest, {}).disjoint


def test_the_shortest_lag_has_no_distractors() -> None:
    drawn = recall.draw_split(recall.Parameters(lag=1, cues=4), 4, np.random.default_rng(0))
    assert drawn["x"].tolist() == [[0, 8], [1, 8], [2, 8], [3, 8]]
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        recall.Parameters(lag=0)


@pytest.mark.parametrize(
    ("alphabet", "length", "num_sequences"), [(5, 5, 2), (4, 4, 2), (7, 4, 3), (4, 6, 3), (3, 3, 2)]
)
def test_random_symbols_between_have_the_ceiling_of_all_sequences_together(
    alphabet: int, length: int, num_sequences: int
) -> None:
    parameters = memory.Parameters(alphabet=alphabet, length=length, num_sequences=num_sequences, random=True)
    num_fillers = alphabet - num_sequences
    every = [
        [cue, *fillers, cue]
        for cue in range(num_fillers, alphabet)
        for fillers in product(range(num_fillers), repeat=length - 2)
    ]
    counted = bayes_accuracies(np.array(every, dtype=np.uint8))  # each is as likely as any other
    drawn = memory.draw_split(parameters, 50, np.random.default_rng(0))
    ceilings = memory.describe(parameters, drawn).ceilings
    assert (ceilings["accuracy"], ceilings["sequence_accuracy"]) == pytest.approx(counted)


def test_random_symbols_are_drawn_anew_and_the_cue_comes_back() -> None:
    parameters = memory.Parameters(alphabet=6, length=8, num_sequences=2, random=True)
    x = memory.draw_split(parameters, 300, np.random.default_rng(0))["x"]
    assert x[:4, 0].tolist() == [4, 5, 4, 5] and (x[:, 0] == x[:, -1]).all()
    assert set(x[:, 1:-1].ravel()) == {0, 1, 2, 3} and len(np.unique(x, axis=0)) > 250
    counted = memory.Parameters(alphabet=6, length=8, num_sequences=2)
    assert len(np.unique(memory.draw_split(counted, 300, np.random.default_rng(0))["x"], axis=0)) == 2
