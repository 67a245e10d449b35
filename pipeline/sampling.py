"""`sample`: a text that the exported step graph of a language model writes, character by character.

Starts in about a second: no Keras, no MLflow, no pandas.

Shape legend: V characters of the vocabulary.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from pipeline.dataset import UNKNOWN, Array
from pipeline.errors import UserError, choices
from pipeline.plugins import NAME
from pipeline.runtime import NEXT, Export
from pipeline.views.symbols import NextSymbols

LIKELY_FIRST = ("\n", " ")  # what a text goes on from where no seed text is given, if the model knows it


class Reader(Protocol):
    """Reads symbols one after another."""

    def read(self, symbol: int) -> Array:
        """The probability of each symbol [V] to follow what was read up to now; valid until the next call."""


def sample(variant: str, seed_text: str | None, length: int, temperature: float, seed: int) -> Iterator[str]:
    """The seed text, if one is given, and `length` characters that go on with it, each as soon as it is drawn.

    temperature: the probability p of a character becomes p^(1 / temperature); 0 takes the likeliest. Raises `UserError`
    for what is no exported language model, and for characters that it does not know.
    """
    export = open_language_model(variant)
    vocabulary = export.manifest.description.vocabulary or []
    beginning = seed_text or next((found for found in LIKELY_FIRST if found in vocabulary), vocabulary[-1])
    symbols = as_symbols(beginning, vocabulary)
    if seed_text:
        yield seed_text
    rng = np.random.default_rng(seed)
    for symbol in write(open_reader(export), symbols, length, temperature, allowed_symbols(vocabulary), rng):
        yield vocabulary[symbol]


def open_language_model(variant: str) -> Export:
    """The export of a variant that reads indices of symbols and has a step graph."""
    if not NAME.fullmatch(variant):
        raise UserError(f"variant {variant!r}: allowed: small letters, digits and _ ({NAME.pattern})")
    folder = Path("models", variant, "export")
    known = {path.parent.parent.name: Export(path.parent) for path in Path("models").glob("*/export/export.json")}
    writing = [name for name, export in known.items() if writes(export)]
    if not folder.is_dir():
        raise UserError(
            f"variant {variant!r} has no export; {choices(variant, writing)}. Make it with: dvc repro export@{variant}"
        )
    export = Export(folder)
    if not writes(export):
        raise UserError(
            f"variant {variant!r} is no language model: it is a {export.manifest.model} that answers "
            f"{export.view.asks}; {choices('', writing)}"
        )
    return export


def writes(export: Export) -> bool:
    """Whether an export can go on with a text."""
    return isinstance(export.view, NextSymbols) and "step" in export.manifest.graphs


def as_symbols(text: str, vocabulary: Sequence[str]) -> list[int]:
    """The indices of a text's characters; a `UserError` says which the vocabulary lacks."""
    index = {name: place for place, name in enumerate(vocabulary)}
    if missing := sorted({character for character in text if character not in index}):
        known = "".join(name for name in vocabulary if name != UNKNOWN)
        raise UserError(f"--seed-text: the model does not know {''.join(missing)!r}; allowed: characters of {known!r}")
    return [index[character] for character in text]


def allowed_symbols(vocabulary: Sequence[str]) -> Array:
    """1 for each symbol that can be written [V], 0 for the one that stands for unknown characters."""
    return np.array([name != UNKNOWN for name in vocabulary], dtype=np.float64)


def open_reader(export: Export) -> Reader:
    """What reads as the model was trained to: on and on, or each window from its beginning."""
    if "each step" in export.view.asks:
        return CarriedState(export.session("step"))
    return Window(export, export.manifest.stored_shape[0] - 1)


def write(
    reader: Reader, beginning: Sequence[int], length: int, temperature: float, allowed: Array, rng: np.random.Generator
) -> Iterator[int]:
    """`length` symbols that go on with `beginning`, each drawn from what the reader of all before it thinks likely."""
    for symbol in beginning:
        probabilities = reader.read(symbol)
    for number in range(length):
        symbol = draw(probabilities * allowed, temperature, rng.random())
        yield symbol
        if number < length - 1:
            probabilities = reader.read(symbol)


def draw(probabilities: Array, temperature: float, uniform: float) -> int:
    """A symbol by its probability [V] at a temperature, and a number from 0 to below 1."""
    likeliest = int(probabilities.argmax())
    if not temperature:
        return likeliest
    shares = (probabilities / probabilities[likeliest]) ** (1 / temperature)
    shares.cumsum(out=shares)
    return int(shares.searchsorted(uniform * shares[-1], side="right"))


class CarriedState:
    """Carries the state of a step graph from call to call, in two sets of buffers that are read and written in turn."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        symbols, *states = session.get_inputs()
        (answer,) = (output for output in session.get_outputs() if not output.name.startswith(NEXT))
        self.symbol = np.zeros((1, 1), dtype=np.int32)
        self.probabilities = np.zeros((1, 1, answer.shape[-1]), dtype=np.float32)
        # On a CPU the values are NumPy's own memory, which must live as long as they do.
        buffers = [{state.name: np.zeros((1, state.shape[1]), dtype=np.float32) for state in states} for _ in range(2)]
        self.session, self.buffers, self.bindings = session, buffers, []
        for before, after in (buffers, buffers[::-1]):
            binding = session.io_binding()
            binding.bind_ortvalue_input(symbols.name, onnxruntime.OrtValue.ortvalue_from_numpy(self.symbol))
            binding.bind_ortvalue_output(answer.name, onnxruntime.OrtValue.ortvalue_from_numpy(self.probabilities))
            for name in before:
                binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(before[name]))
                binding.bind_ortvalue_output(NEXT + name, onnxruntime.OrtValue.ortvalue_from_numpy(after[name]))
            self.bindings.append(binding)

    def read(self, symbol: int) -> Array:
        """See `Reader`."""
        self.symbol[0, 0] = symbol
        self.session.run_with_iobinding(self.bindings[0])
        self.bindings.reverse()
        return self.probabilities[0, 0]


class Window:
    """Reads the last symbols anew at each call, as many as the network was trained to see."""

    def __init__(self, export: Export, size: int) -> None:
        self.export = export
        self.symbols: deque[int] = deque(maxlen=size)

    def read(self, symbol: int) -> Array:
        """See `Reader`."""
        self.symbols.append(symbol)
        answers: Array = self.export.run(np.array([self.symbols], dtype=np.int32))[0]
        return answers
