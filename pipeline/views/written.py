"""Views that ask for a text, whatever is read: `text_to_text`, `image_to_text`, `clip_to_text`.

A network learns each token of the answer from those before it, which it reads as `previous`; what it writes of itself,
token by token, becomes a text here.

Shape legend: N examples, T tokens of an answer, L tokens that were written.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from pipeline.dataset import END, START, Array, Arrays, Description, TextAnswers
from pipeline.text.tokenizers import prose
from pipeline.text.vocabulary import ANSWER_RESERVED
from pipeline.views.pictures import Frames, Images
from pipeline.views.sequences import NOT_ASKED
from pipeline.views.texts import MULTIPLE, Texts, steps_needed
from pipeline.views.view import Asks, ExampleSpec, View

START_INDEX, END_INDEX = ANSWER_RESERVED.index(START), ANSWER_RESERVED.index(END)
READ_BEFORE_WRITTEN = 1 << 20  # more tokens than any answer has


class Written(View):
    """What is asked for is a text: stored tokens `y` [N, T], of which `y_length` [N] are its own."""

    asks: ClassVar[Asks] = "a text"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        seen = super().spec(description, stored_shape)  # type: ignore[safe-super]
        return replace(seen, num_outputs=len(_answers(description).vocabulary), asks=self.asks)

    def training_inputs(self, arrays: Arrays, description: Description) -> Array | tuple[Array, ...]:
        """What is read, and `previous` [N, T + 1]: `START` and the answer's tokens, 0 after its end."""
        start = np.full((len(arrays["y"]), 1), START_INDEX, np.int32)
        tokens = np.where(_within(arrays["y"].shape[1], arrays["y_length"]), arrays["y"], 0)
        return self.inputs(arrays, description), np.concatenate([start, tokens], axis=1, dtype=np.int32)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """int32 [N, T + 1]: the answer's tokens and `END`; -1 after it."""
        y, length = np.asarray(arrays["y"], np.int32), np.asarray(arrays["y_length"])
        targets = np.full((len(y), y.shape[1] + 1), NOT_ASKED, np.int32)
        targets[:, :-1] = np.where(_within(y.shape[1], length), y, NOT_ASKED)
        targets[np.arange(len(y)), length] = END_INDEX
        return targets

    def lengths(self, arrays: Arrays) -> Array | None:
        """By the width at which an example is read, and among those that are alike in it by what is to be written."""
        read, written = super().lengths(arrays), np.asarray(arrays["y_length"])
        return written if read is None else -(-read.astype(np.int64) // MULTIPLE) * READ_BEFORE_WRITTEN + written

    def trimmed(self, arrays: Arrays) -> Arrays:
        """So that `previous` and the targets, one token longer than the answer, are as wide as a text that is read."""
        return {**super().trimmed(arrays), "y": arrays["y"][:, : steps_needed(arrays["y_length"] + 1) - 1]}

    def in_units(self, values: Array, x: Array, description: Description) -> Array:
        """The texts [N] that tokens [N, L] say, each up to `END`, to padding, or to what is not asked for."""
        answers = _answers(description)
        ended = np.concatenate([(values <= 0) | (values == END_INDEX), np.ones((len(values), 1), bool)], axis=1)
        rows = zip(values, ended.argmax(axis=1), strict=True)
        tokens = ([answers.vocabulary[token] for token in row[:end]] for row, end in rows)
        return np.array([prose(found, answers.tokenizer, answers.subwords) for found in tokens], dtype=np.str_)

    def references(self, arrays: Arrays, description: Description) -> Array:
        """The texts [N] themselves, with what no token of the vocabulary says."""
        return np.array(
            [row.tobytes().rstrip(b"\0").decode() for row in np.asarray(arrays["reference"])], dtype=np.str_
        )


class TextToText(Written, Texts):
    """Texts that are answered with texts, as in translation."""

    def __init__(self) -> None:
        super().__init__("a text")


class ImageToText(Written, Images):
    """Images and what they show, in words."""


class ClipToText(Written, Frames):
    """Clips and what happens in them, in words."""


def _within(steps: int, length: Array) -> Array:
    """Which of `steps` tokens lie before the end of their text: [N, steps]."""
    return np.arange(steps)[None] < np.asarray(length)[:, None]


def _answers(description: Description) -> TextAnswers:
    assert description.answers, "open_view refuses a dataset without"
    return description.answers
