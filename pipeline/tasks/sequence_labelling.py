"""One label for each step of a sequence (the symbol that follows, say): what is measured and what is shown.

Steps whose target is -1 are not asked for. Shape legend: N sequences, T steps, V labels.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.labels import names_of, probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("a label at each step",)
METRIC = "accuracy"
METRICS = ("accuracy", "sequence_accuracy")
LOWER_IS_BETTER: tuple[str, ...] = ()
COLUMNS = {"labels": "strings", "probabilities": "doubles"}
STATISTICS = ("right", "steps")
SEQUENCES_SHOWN, STEPS_SHOWN = 6, 24


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Share of right steps, and of sequences right in every step; outputs [N, T, V], or [N, T, 1] for two labels."""
    asked = targets >= 0
    right = (labels(outputs) == targets) | ~asked
    return {"accuracy": float(right[asked].mean()), "sequence_accuracy": float(right.all(axis=-1).mean())}


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per sequence [N, 2], in the order of `STATISTICS`, whose sums over any sequences give their `METRIC`."""
    asked = targets >= 0
    right = (labels(outputs) == targets) & asked
    return np.stack([right.sum(axis=-1), asked.sum(axis=-1)], axis=1).astype(np.float64)


def labels(outputs: Array) -> Array:
    """The most probable label of each step [N, T]."""
    return np.asarray(probabilities(outputs).argmax(axis=-1))


def metric_of(sums: Array) -> Array:
    """Accuracy [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per step that is asked for, for `predictions.csv`."""
    names = names_of(description)
    share = probabilities(outputs)
    examples, steps = np.nonzero(targets >= 0)
    found = share[examples, steps]
    return {
        "example": examples.tolist(),
        "step": steps.tolist(),
        "actual": [names[target] for target in targets[examples, steps]],
        "predicted": [names[answer] for answer in found.argmax(axis=-1)],
        "probability": [round(float(p), 4) for p in found.max(axis=-1)],
    }


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per sequence: the label of each step and its probability."""
    names = names_of(description)
    return [
        {
            "labels": [names[step] for step in sequence.argmax(axis=-1)],
            "probabilities": [round(float(p), 4) for p in sequence.max(axis=-1)],
        }
        for sequence in probabilities(outputs)
    ]


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: each label with its probability."""
    pairs = zip(answer["labels"], answer["probabilities"], strict=True)  # type: ignore[call-overload]
    return "  ".join(f"{label} {probability:.3f}" for label, probability in pairs)


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """The last steps of the first sequences: what was read at each and what was answered."""
    from pipeline import figures as draw

    names = names_of(description)
    shown = list(range(min(SEQUENCES_SHOWN, len(targets))))

    def words(chosen: Array) -> list[list[str]]:
        return [[names[label] if label >= 0 else "" for label in row] for row in chosen[:, -STEPS_SHOWN:]]

    seen = inputs(shown)[:, -STEPS_SHOWN:]
    if description.layout == "texts":
        vocabulary = description.vocabulary or []
        read = [[vocabulary[token] if token else "" for token in text] for text in seen]
    else:
        read = words(seen.argmax(axis=-1)) if description.vocabulary else _values(seen)
    return {"examples": draw.sequences(read, words(targets[shown]), words(labels(outputs[shown])))}


def _values(steps: Array) -> list[list[str]]:
    """The first feature of each step as text, nothing where a sequence has ended."""
    return [["" if np.isnan(value) else f"{value:.2g}" for value in sequence] for sequence in steps[..., 0]]
