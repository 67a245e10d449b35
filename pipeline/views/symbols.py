"""Views of sequences of symbols: one-hot, or as indices for a network that embeds them.

Shape legend: N examples, T time steps, V vocabulary.
"""

from typing import ClassVar

import numpy as np

from pipeline.dataset import UNKNOWN, Array, Arrays, Description, Tokenizer
from pipeline.errors import UserError, choices
from pipeline.text.tokenizers import text_of, tokenize
from pipeline.views.sequences import NOT_ASKED
from pipeline.views.view import Asks, ExampleSpec, Sight, View, batch_of, texts_of


class OneHot(View):
    """Symbols [N, T + 1] as one-hot inputs [N, T, V]; the targets [N, T] are the symbols that follow."""

    layout = "symbols"
    shows: ClassVar[Sight] = "a sequence"
    asks: ClassVar[Asks] = "a label at each step"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        size = len(description.vocabulary or [])
        return ExampleSpec((None, size), size, self.asks, later_steps_answer=True, num_steps=stored_shape[0] - 1)

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        return self._encode(arrays["x"][:, :-1], description)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        targets = arrays["x"][:, 1:].astype(np.int32)
        targets[:, : description.first_answer] = NOT_ASKED
        return targets

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "int64", (-1,)

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        return 1

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        return arrays["x"][:, :-1].astype(np.int64)

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives the symbols seen so far, [T] or [N, T] integers; each step answers with what follows it."""
        raw = batch_of(raw, (None,))
        size = len(description.vocabulary or [])
        if raw.dtype.kind not in "ui" or (raw.size and (raw.min() < 0 or raw.max() >= size)):
            raise UserError(
                f"symbols are {raw.dtype} up to {raw.max() if raw.size else '-'}; allowed: integers 0 to {size - 1}"
            )
        return self._encode(raw, description)

    def _encode(self, symbols: Array, description: Description) -> Array:
        return np.eye(len(description.vocabulary or []), dtype=np.float32)[symbols]


class OneHotToLabel(OneHot):
    """Symbols [N, T] as one-hot inputs [N, T, V]; the target [N] is the label of the whole sequence."""

    asks = "one label"

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        classes = description.classes or []
        if not classes:
            raise UserError("view 'one_hot_to_label': the sequences have no labels; allowed: one_hot")
        return ExampleSpec((None, len(description.vocabulary or [])), len(classes), num_steps=stored_shape[0])

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        return self._encode(arrays["x"], description)

    def targets(self, arrays: Arrays, description: Description) -> Array:
        return arrays["y"].astype(np.int32)

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        return arrays["x"].astype(np.int64)


class NextSymbols(OneHot):
    """Symbols [N, T + 1] as indices [N, T]; the targets [N, T] are the symbols that follow.

    A user gives them as a text: of characters, or, where symbols have longer names, with spaces between them.
    """

    shows = "a text"
    given_as_text = True

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        size = len(description.vocabulary or [])
        return ExampleSpec(
            input_shape=(None,),
            num_outputs=size,
            asks=self.asks,
            later_steps_answer=True,
            num_steps=stored_shape[0] - 1,
            vocabulary_size=size,
        )

    def raw(self, stored_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return "str", ()

    def raw_rank(self, stored_shape: tuple[int, ...], found: tuple[int, ...]) -> int:
        return 0

    def as_given(self, arrays: Arrays, description: Description) -> Array:
        names = description.vocabulary or []
        return np.array([text_of([names[symbol] for symbol in row], _tokenizer(names)) for row in arrays["x"][:, :-1]])

    def accept(self, raw: Array, description: Description, stored_shape: tuple[int, ...]) -> Array:
        """A user gives the texts up to now, all equally long; each symbol is answered with what follows it."""
        names = description.vocabulary or []
        texts = [tokenize(text, _tokenizer(names)) for text in texts_of(raw)]
        lengths = sorted({len(text) for text in texts})
        if len(lengths) > 1 or not lengths[0]:
            found = ", ".join(map(str, lengths))
            raise UserError(f"found texts of {found} symbols; allowed: one length at a time, of 1 symbol and more")
        known = {name: place for place, name in enumerate(names)}
        missing = sorted({symbol for text in texts for symbol in text if symbol not in known})
        if missing and UNKNOWN not in known:
            raise UserError(f"found the symbols {', '.join(map(repr, missing[:10]))}; {choices(missing[0], names)}")
        return np.array([[known.get(symbol, known.get(UNKNOWN)) for symbol in text] for text in texts], dtype=np.int32)

    def _encode(self, symbols: Array, description: Description) -> Array:
        return symbols.astype(np.int32)


class NextSymbol(NextSymbols):
    """Symbols [N, T + 1] as indices [N, T]; the target [N] is the symbol that follows the last of them."""

    asks = "one label"

    def targets(self, arrays: Arrays, description: Description) -> Array:
        return arrays["x"][:, -1].astype(np.int32)


def _tokenizer(names: list[str]) -> Tokenizer:
    """Symbols are characters, unless some have longer names."""
    return "characters" if all(len(name) == 1 for name in names if name != UNKNOWN) else "spaces"
