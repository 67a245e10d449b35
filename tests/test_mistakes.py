"""Texts that were answered wrongly can be read: most surely first, with their words; a figure is drawn of them."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import figures
from pipeline.dataset import Array, Description
from pipeline.tasks import classification, sequence_labelling

REVIEWS = Description(
    text="reviews",
    layout="texts",
    classes=["negative", "positive"],
    vocabulary=["<pad>", "<unk>", "good", "bad", "$10", "film"],
    tokenizer="words",
    padded=True,
)
TOKENS = np.array([[2, 5, 0], [3, 5, 1], [4, 4, 5], [5, 0, 0]], np.int32)
TARGETS = np.array([1, 1, 0, 0])
OUTPUTS = np.array([[0.2, 0.8], [0.7, 0.3], [0.1, 0.9], [0.9, 0.1]], np.float32)


def inputs(rows: list[int] | slice) -> Array:
    return TOKENS[rows]


def test_the_surest_mistakes_come_first_with_their_words() -> None:
    found = classification.mistakes(OUTPUTS, TARGETS, REVIEWS, inputs)
    assert found == [
        {"example": 2, "actual": "negative", "predicted": "positive", "probability": 0.9, "text": "$10 $10 film"},
        {"example": 1, "actual": "positive", "predicted": "negative", "probability": 0.7, "text": "bad film <unk>"},
    ]
    assert classification.mistakes(OUTPUTS[:, 1:], TARGETS, REVIEWS, inputs) == found  # one output for two classes


def test_no_more_are_listed_than_a_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "MISTAKES_LISTED", 1)
    assert [each["example"] for each in classification.mistakes(OUTPUTS, TARGETS, REVIEWS, inputs)] == [2]


def test_a_figure_is_drawn_where_there_are_mistakes(tmp_path: Path) -> None:
    drawn = classification.figures(OUTPUTS, TARGETS, REVIEWS, inputs)
    assert set(drawn) == {"confusion", "mistakes"}
    for name, figure in drawn.items():
        figures.save(figure, tmp_path / f"{name}.png")
    written = " ".join(text.get_text() for text in drawn["mistakes"].axes[0].texts)
    assert "positive 0.900, not negative  (test example 2)" in written and "$10 $10 film" in written
    assert set(classification.figures(OUTPUTS, OUTPUTS.argmax(axis=1), REVIEWS, inputs)) == {"confusion"}
    assert classification.mistakes(OUTPUTS, OUTPUTS.argmax(axis=1), REVIEWS, inputs) == []


def test_labels_of_words_are_shown_with_their_words(tmp_path: Path) -> None:
    targets = np.where(TOKENS > 0, TOKENS % 2, -1)
    (figure,) = sequence_labelling.figures(np.eye(2, dtype=np.float32)[TOKENS % 2], targets, REVIEWS, inputs).values()
    figures.save(figure, tmp_path / "examples.png")
    assert {"good", "film", "bad"} <= {text.get_text() for text in figure.axes[0].texts}
