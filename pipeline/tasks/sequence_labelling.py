"""One label for each step of a sequence (here: the symbol that follows): what is measured and what is shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = "a label at each step"
METRIC = "accuracy"
METRICS = ("accuracy", "sequence_accuracy")
LOWER_IS_BETTER: tuple[str, ...] = ()
COLUMNS = {"labels": "strings", "probabilities": "doubles"}
STATISTICS = ("right", "steps")
SEQUENCES_SHOWN, STEPS_SHOWN = 6, 24


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Share of right steps, and of sequences right in every step; outputs [N, T, V], targets [N, T]."""
    right = outputs.argmax(axis=-1) == targets
    return {"accuracy": float(right.mean()), "sequence_accuracy": float(right.all(axis=-1).mean())}


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per sequence [N, 2], in the order of `STATISTICS`, whose sums over any sequences give their `METRIC`."""
    right = outputs.argmax(axis=-1) == targets
    return np.stack([right.sum(axis=-1), np.full(len(targets), targets.shape[1])], axis=1).astype(np.float64)


def metric_of(sums: Array) -> Array:
    """Accuracy [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per step, for `predictions.csv`."""
    vocabulary = description.vocabulary or []
    answers = outputs.argmax(axis=-1)
    examples, steps = np.indices(targets.shape)
    return {
        "example": examples.ravel().tolist(),
        "step": steps.ravel().tolist(),
        "actual": [vocabulary[target] for target in targets.ravel()],
        "predicted": [vocabulary[answer] for answer in answers.ravel()],
        "probability": [round(float(p), 4) for p in outputs.max(axis=-1).ravel()],
    }


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per sequence: the label of each step and its probability."""
    vocabulary = description.vocabulary or []
    return [
        {
            "labels": [vocabulary[step] for step in sequence.argmax(axis=-1)],
            "probabilities": [round(float(p), 4) for p in sequence.max(axis=-1)],
        }
        for sequence in outputs
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

    vocabulary = description.vocabulary or []
    shown = list(range(min(SEQUENCES_SHOWN, len(targets))))

    def words(symbols: Array) -> list[list[str]]:
        return [[vocabulary[symbol] for symbol in sequence] for sequence in symbols[:, -STEPS_SHOWN:]]

    seen, answers = inputs(shown).argmax(axis=-1), outputs[shown].argmax(axis=-1)
    return {"examples": draw.sequences(words(seen), words(targets[shown]), words(answers))}
