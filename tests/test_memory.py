"""The memory sequences as published, and ceilings worked out by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.datasets.memory import Parameters, all_sequences, bayes_accuracies, describe, draw_split

PUBLISHED = Parameters(alphabet=5, length=5, num_sequences=2)


def test_the_published_sequences() -> None:
    assert all_sequences(PUBLISHED).tolist() == [[3, 0, 1, 2, 3], [4, 0, 1, 2, 4]]
    drawn = draw_split(PUBLISHED, 2, np.random.default_rng(0))
    assert drawn["x"].tolist() == [[3, 0, 1, 2, 3], [4, 0, 1, 2, 4]]
    assert describe(PUBLISHED, drawn).ceilings == {"accuracy": 1.0, "sequence_accuracy": 1.0}


def test_longer_sequences_count_round_and_round() -> None:
    parameters = Parameters(alphabet=4, length=7, num_sequences=2)
    assert all_sequences(parameters).tolist() == [[2, 0, 1, 0, 1, 0, 2], [3, 0, 1, 0, 1, 0, 3]]
    assert draw_split(parameters, 5, np.random.default_rng(0))["x"][:, 0].tolist() == [2, 3, 2, 3, 2]


@pytest.mark.parametrize(
    ("sequences", "accuracy", "sequence_accuracy"),
    [
        # After 0 always 1; after 0 1 either 2 or 1: three of four steps, one of two sequences.
        ([[0, 1, 2], [0, 1, 1]], 3 / 4, 1 / 2),
        ([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]], 6 / 8, 2 / 4),
        # Answering 0 after 2 is right three times, and then 0, 1 or 3 once each; answering 1 gets two whole sequences.
        ([[2, 0, 0], [2, 0, 1], [2, 0, 3], [2, 1, 1], [2, 1, 1]], (3 + 1 + 2) / 10, 2 / 5),
        # What comes first is seen, not answered.
        ([[0, 1], [1, 1], [2, 1]], 1.0, 1.0),
    ],
)
def test_what_cannot_be_known_lowers_the_ceiling(
    sequences: list[list[int]], accuracy: float, sequence_accuracy: float
) -> None:
    assert bayes_accuracies(np.array(sequences, dtype=np.uint8)) == (accuracy, sequence_accuracy)


def test_a_symbol_to_count_with_must_be_left() -> None:
    with pytest.raises(ValidationError, match="num_sequences is 5; allowed: 2 to 4"):
        Parameters(alphabet=5, length=5, num_sequences=5)
