"""Views of texts: `tokens_to_label` and `tokens_to_labels`, by whether the whole text is labelled or each token.

`text_to_text` reads them alike.

What a network sees are the indices of the tokens, 0 beyond the end of a text. What a user gives is the text itself.

Shape legend: N texts, T tokens.
"""

from typing import ClassVar

import numpy as np

from pipeline.dataset import Array, Arrays, Description, Tokenizer
from pipeline.errors import UserError
from pipeline.text.tokenizers import text_of, tokenize
from pipeline.text.vocabulary import indices_of, padded
from pipeline.views.sequences import NOT_ASKED
from pipeline.views.view import Asks, ExampleSpec, Sight, View

MULTIPLE = 8  # to which batches are as wide: few widths for a compiler to know, and few steps too many


class Texts(View):
    """Stored tokens [N, T] as int32, 0 from the end of each text on."""

    layout = "texts"
    shows: ClassVar[Sight] = "a text"

    def __init__(self, asks: Asks) -> None:
        self.asks = asks  # type: ignore[misc]

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        return ExampleSpec(
            input_shape=(None,),
            num_outputs=len(description.classes or []),
            asks=self.asks,
            padded=True,
            vocabulary_size=len(description.vocabulary or []),
        )

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        return np.where(_within(arrays), arrays["x"], 0).astype(np.int32)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        labels = arrays["y"].astype(np.int32)
        return labels if self.asks == "one label" else np.where(_within(arrays), labels, NOT_ASKED).astype(np.int32)

    def lengths(self, arrays: Arrays) -> Array | None:
        return np.asarray(arrays["length"])

    def trimmed(self, arrays: Arrays) -> Arrays:
        steps = steps_needed(arrays["length"])
        each_token = ("y",) if self.asks == "a label at each step" else ()
        return {**arrays, **{name: arrays[name][:, :steps] for name in ("x", *each_token)}}

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "str", ()

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        vocabulary, tokenizer, subwords = description.vocabulary or [], _tokenizer(description), description.subwords
        rows = zip(arrays["x"], arrays["length"], strict=True)
        return np.array([text_of([vocabulary[token] for token in row[:end]], tokenizer, subwords) for row, end in rows])

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives a text, or several: [N], or [N, 1] as a table's column.

        A text that is to have one label is read as far as those that were trained on; of a longer one `remark` says so.
        """
        texts = _tokens(raw, description)
        steps = max(map(len, texts))
        if self.asks == "one label":
            steps = min(steps, stored_shape[0])
        return padded(indices_of(texts, description.vocabulary or []), steps)

    def tokens(self, raw: Array, description: Description) -> list[list[str]]:
        return _tokens(raw, description)

    def remark(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> str | None:
        (tokens,) = _tokens(raw, description)
        if self.asks != "one label" or len(tokens) <= stored_shape[0]:
            return None
        return f"{len(tokens):,} tokens, of which the first {stored_shape[0]:,} are read"


def steps_needed(length: Array) -> int:
    """How many steps hold the longest of some texts [N], in multiples of `MULTIPLE`."""
    return -(-int(length.max()) // MULTIPLE) * MULTIPLE


def _within(arrays: Arrays) -> Array:
    """Which tokens lie before the end of their text: [N, T]."""
    return np.arange(arrays["x"].shape[1])[None] < np.asarray(arrays["length"])[:, None]


def _tokens(raw: Array, description: Description) -> list[list[str]]:
    """The tokens of each text that a user gives."""
    given = np.asarray(raw)
    one_each = given.ndim < 2 or (given.ndim == 2 and given.shape[1] == 1)
    texts = np.atleast_1d(given).ravel().tolist()
    if not one_each or not all(isinstance(text, str) for text in texts):
        raise UserError(f"found an array {list(given.shape)} of {given.dtype}; allowed: a text, or several")
    if not texts:
        raise UserError("found no text; allowed: one or several")
    cased = [text.lower() for text in texts] if description.lowercase else texts
    found = [tokenize(text, _tokenizer(description), description.subwords) for text in cased]
    for text, tokens in zip(texts, found, strict=True):
        if not tokens:
            raise UserError(f"the text {text[:40]!r} is empty; allowed: at least one token ({description.tokenizer})")
    return found


def _tokenizer(description: Description) -> Tokenizer:
    assert description.tokenizer, "the checks refuse a card of texts without one"
    return description.tokenizer
