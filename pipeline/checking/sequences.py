"""What is checked and counted of the layout `sequences` alone: lengths, padding, answers at each step, values.

Shape legend: N examples, T time steps, F features, K values, S steps that are answered.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.checking.findings import Finding, error
from pipeline.dataset import Array, Arrays, Card

ADVICE = "mend the source or the files"


def steps_held(arrays: Arrays) -> Array:
    """Which steps of `x` [N, T, F] belong to each sequence and are not padding: [N, T]."""
    num, steps = arrays["x"].shape[:2]
    length = np.asarray(arrays["length"]) if "length" in arrays else np.full(num, steps)
    return np.arange(steps) < length[:, None]


def answers_asked(arrays: Arrays, card: Card) -> Array:
    """The answers `y` that count, one after another: not those of padding, nor before `first_answer`. [n] or [n, K]."""
    y = np.asarray(arrays["y"])
    at_each_step = y.ndim == (2 if card.classes else 3)
    return y[_steps_asked(arrays, card)] if at_each_step else y


def check_card(card: Card) -> Iterator[Finding]:
    """Where the card does not fit itself: the names and scales of features and values, the first answer."""
    steps, num_features = (*card.example_shape(), 0, 0)[:2]
    counts = {"features": (card.features, num_features)}
    if card.scaling:
        num_values = len(card.outputs or [])
        counts |= {f"scaling.{key}": (getattr(card.scaling, key), num_features) for key in ("x_mean", "x_scale")}
        counts |= {f"scaling.{key}": (getattr(card.scaling, key), num_values) for key in ("y_mean", "y_scale")}
    for key, (listed, allowed) in counts.items():
        if listed is not None and len(listed) != allowed:
            yield error("schema", "card.json", f"entries of {key}", len(listed), allowed, ADVICE)
    if not 0 <= card.first_answer < steps:
        yield error("schema", "card.json", "first_answer", card.first_answer, f"0 to {steps - 1}", ADVICE)
    if bool(card.classes) == bool(card.outputs):
        found = "both" if card.classes else "neither"
        yield error("schema", "card.json", "classes and outputs", found, "one of the two", ADVICE)


def check_sequences(split: str, arrays: Arrays, card: Card) -> Iterator[Finding]:
    """Where the arrays of a split are not what the card says of its sequences; `x` is known to be [N, T, F]."""
    num, steps = arrays["x"].shape[:2]
    if card.padded != ("length" in arrays):
        found, needed = ", ".join(arrays), f"{'' if card.padded else 'no '}array length, as padded is {card.padded}"
        yield error("schema", split, "arrays", found, needed, ADVICE)
    elif card.padded:
        findings = list(check_length(split, arrays["length"], num, steps))
        yield from findings or _padding(split, arrays)
    yield from _answers(split, arrays["y"], (num, card.output_steps or steps), card)


def check_length(split: str, length: Array, num: int, steps: int, name: str = "length") -> Iterator[Finding]:
    """Where the lengths, stored as `name`, are not integers [num] from 1 to `steps`."""
    where = f"{split} {name}"
    if length.shape != (num,) or length.dtype.kind not in "ui":
        yield error("schema", where, "lengths", f"{length.dtype} {list(length.shape)}", f"integers [{num}]", ADVICE)
        return
    wrong = (length < 1) | (length > steps)
    if wrong.any():
        row = int(np.argmax(wrong))
        yield error("schema", where, f"length in row {row}", int(length[row]), f"1 to {steps}", ADVICE)


def _padding(split: str, arrays: Arrays) -> Iterator[Finding]:
    padded = (np.any(arrays["x"] != 0, axis=2) & ~steps_held(arrays)).any(axis=1)
    if padded.any():
        statistic = f"sequences that go on after their end, first in row {int(np.argmax(padded))}"
        yield error("schema", f"{split} x", statistic, int(padded.sum()), "0 (padding is 0)", ADVICE)


def _answers(split: str, y: Array, answered: tuple[int, int], card: Card) -> Iterator[Finding]:
    """Labels [N] or [N, S] where the card has classes, values [N, K] or [N, S, K] where it has outputs."""
    kind, types, values = ("labels", "ui", ()) if card.classes else ("values", "f", (len(card.outputs or []),))
    shapes = [(answered[0], *values), (*answered, *values)]
    if y.shape not in shapes or y.dtype.kind not in types:
        allowed = f"{'integers' if card.classes else 'floats'} {' or '.join(str(list(shape)) for shape in shapes)}"
        yield error("schema", f"{split} y", kind, f"{y.dtype} {list(y.shape)}", allowed, ADVICE)


def num_unchanging(arrays: Arrays) -> int:
    """Sequences of several steps that are all alike."""
    x, held = np.asarray(arrays["x"]), steps_held(arrays)
    alike = ((x == x[:, :1]).all(axis=2) | ~held).all(axis=1)
    return int((alike & (held.sum(axis=1) > 1)).sum())


def sequence_features(arrays: Arrays, card: Card) -> dict[str, Array]:
    """Numbers that say how sequences look, each [N]: of each feature mean, standard deviation, first and last value."""
    x, held = np.asarray(arrays["x"], dtype=np.float64), steps_held(arrays)
    length = held.sum(axis=1)
    counted = held[..., None]
    means = np.where(counted, x, 0).sum(axis=1) / length[:, None]
    spreads = np.sqrt((np.where(counted, x - means[:, None], 0) ** 2).sum(axis=1) / length[:, None])
    last = x[np.arange(len(x)), length - 1]
    names = card.features or [f"feature_{index}" for index in range(x.shape[2])]
    found = {
        f"{name}_{what}": values[:, index]
        for index, name in enumerate(names)
        for what, values in (("mean", means), ("std", spreads), ("first", x[:, 0]), ("last", last))
    }
    return found | ({"length": length.astype(np.float64)} if "length" in arrays else {})


def answer_features(arrays: Arrays, card: Card) -> dict[str, Array]:
    """The mean of what is answered to each example, for each of the card's outputs [N]; none for labels."""
    if not card.outputs:
        return {}
    y = np.asarray(arrays["y"], dtype=np.float64)
    if y.ndim == 3:
        asked = _steps_asked(arrays, card)
        y = np.where(asked[..., None], y, 0).sum(axis=1) / np.maximum(asked.sum(axis=1), 1)[:, None]
    return {f"answer_{name}": y[:, index] for index, name in enumerate(card.outputs)}


def _steps_asked(arrays: Arrays, card: Card) -> Array:
    """At which of the steps of `y` [N, S, ...] an answer counts: [N, S]."""
    if card.output_steps is not None:
        return np.ones(arrays["y"].shape[:2], dtype=bool)
    asked = steps_held(arrays)
    asked[:, : card.first_answer] = False
    return asked
