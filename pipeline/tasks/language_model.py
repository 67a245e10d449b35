"""The next character of a text: how surprising each one is to the network that has read those before it.

Cross-entropy is in nats per character, with the natural logarithm; targets of -1 are not asked for.

Shape legend: N windows, T steps, V characters of the vocabulary.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.labels import names_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("a label at each step", "one label")
METRIC = "cross_entropy"
METRICS = ("cross_entropy", "bits_per_character", "perplexity", "next_character_accuracy")
LOWER_IS_BETTER = ("cross_entropy", "bits_per_character", "perplexity")
COLUMNS = {"next": "string", "probability": "double"}
STATISTICS = ("nats", "characters")
SMALLEST_PROBABILITY = 1e-7  # as in the loss: a network that rules out what comes is not infinitely wrong
LIKELIEST_SHOWN = 5
STEPS_AXES = 2
NAMES_SHOWN = {" ": "space", "\n": "line end", "\t": "tab"}  # spaces and line ends could not be seen


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Metrics of probabilities [N, T, V] against targets [N, T]; or [N, V] and [N], of the last step alone."""
    nats, right = surprise(outputs, targets)
    cross_entropy = float(nats.mean())
    return {
        "cross_entropy": cross_entropy,
        "bits_per_character": cross_entropy / math.log(2),
        "perplexity": math.exp(cross_entropy),
        "next_character_accuracy": float(right.mean()),
    }


def surprise(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Of each character that is asked for [n]: its nats, -log of its probability, and whether it was the likeliest."""
    asked = targets >= 0
    found, true = outputs[asked], targets[asked]
    probabilities = found[np.arange(len(true)), true].astype(np.float64)
    return -np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)), found.argmax(axis=-1) == true


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per window [N, 2], in the order of `STATISTICS`, whose sums over any windows give their `METRIC`."""
    asked = targets >= 0
    nats = np.zeros(targets.shape)
    nats[asked] = surprise(outputs, targets)[0]
    return np.stack([each.reshape(len(targets), -1).sum(axis=1) for each in (nats, asked)], axis=1).astype(np.float64)


def metric_of(sums: Array) -> Array:
    """Cross-entropy [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per character of the vocabulary that is asked for, not per step: a text has a million of those.

    How often it came, how often it was the likeliest, its cross-entropy, and what was most often thought likeliest.
    """
    names = names_of(description)
    nats, _ = surprise(outputs, targets)
    true, likeliest = targets[targets >= 0], outputs[targets >= 0].argmax(axis=-1)
    pairs = np.bincount(true * len(names) + likeliest, minlength=len(names) ** 2).reshape(len(names), -1)
    counts = pairs.sum(axis=1)
    came = np.flatnonzero(counts)
    sums = np.bincount(true, weights=nats, minlength=len(names))
    return {
        "actual": [shown(names[label]) for label in came],
        "predicted": [shown(names[label]) for label in pairs[came].argmax(axis=1)],
        "count": counts[came].tolist(),
        "accuracy": (pairs[came, came] / counts[came]).round(4).tolist(),
        "cross_entropy": (sums[came] / counts[came]).round(4).tolist(),
    }


def shown(character: str) -> str:
    """A character as it can be seen in a table."""
    return NAMES_SHOWN.get(character, character)


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per window: the character that most probably follows its last one, and the likeliest few."""
    names = names_of(description)
    answers = []
    for row in outputs.reshape(len(outputs), -1, len(names))[:, -1]:
        order = np.argsort(-row, kind="stable")[:LIKELIEST_SHOWN]
        probabilities = {names[label]: round(float(row[label]), 4) for label in order}
        best = names[order[0]]
        answers.append({"next": best, "probability": probabilities[best], "probabilities": probabilities})
    return answers


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: the likeliest characters with their probabilities."""
    probabilities: dict[str, float] = answer["probabilities"]  # type: ignore[assignment]
    return "  ".join(f"{shown(character)} {probability:.3f}" for character, probability in probabilities.items())


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """The cross-entropy of each character of the vocabulary; and, where each step answers, after each number read."""
    from pipeline import figures as draw

    rows: dict[str, list[Any]] = predictions(outputs, targets, description)
    pictures = {"by_character": draw.by_character(rows["actual"], rows["cross_entropy"], rows["count"])}
    if targets.ndim == STEPS_AXES:
        nats = np.full(targets.shape, np.nan)
        nats[targets >= 0] = surprise(outputs, targets)[0]
        asked = np.flatnonzero((targets >= 0).any(axis=0))
        by_step = np.nanmean(nats[:, asked], axis=0)
        ceiling = description.ceilings.get(METRIC)
        pictures["by_position"] = draw.by_position(asked + 1, by_step, float(np.nanmean(nats)), ceiling)
    return pictures
