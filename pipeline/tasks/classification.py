"""One label for each example: what is measured and what is shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.labels import names_of, probabilities
from pipeline.text.tokenizers import text_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("one label",)
METRIC = "accuracy"
METRICS = ("accuracy", "macro_f1", "log_loss")
LOWER_IS_BETTER = ("log_loss",)
COLUMNS = {"label": "string", "probability": "double"}
STATISTICS = ("right", "examples")
IMAGES_SHOWN, CLIPS_SHOWN, TEXTS_SHOWN = 24, 4, 12
MISTAKES_LISTED = 200
SEQUENCE_AXES, CLIP_AXES = 3, 5


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """Metrics of network outputs [N, classes or 1] against targets [N]."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    share = probabilities(outputs).astype(np.float64)
    answers = share.argmax(axis=-1)
    labels = list(range(len(names_of(description))))
    share = np.clip(share, 1e-7, 1.0)
    return {
        "accuracy": float(accuracy_score(targets, answers)),
        "macro_f1": float(f1_score(targets, answers, average="macro", zero_division=0.0)),
        "log_loss": float(log_loss(targets, share / share.sum(axis=-1, keepdims=True), labels=labels)),
    }


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per example [N, 2], in the order of `STATISTICS`, whose sums over any examples give their `METRIC`."""
    right = probabilities(outputs).astype(np.float64).argmax(axis=-1) == targets
    return np.stack([right, np.ones(len(targets))], axis=1).astype(np.float64)


def metric_of(sums: Array) -> Array:
    """Accuracy [...] of summed statistics [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per example, for `predictions.csv`: what was true, what was answered, how surely."""
    classes = names_of(description)
    share = probabilities(outputs)
    answers = share.argmax(axis=-1)
    return {
        "example": list(range(len(targets))),
        "actual": [classes[target] for target in targets],
        "predicted": [classes[answer] for answer in answers],
        "probability": [round(float(p), 4) for p in share.max(axis=-1)],
    }


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per example: its label and probability, and those of all classes."""
    classes = names_of(description)
    answers = []
    for row in probabilities(outputs):
        best = int(row.argmax())
        answers.append(
            {
                "label": classes[best],
                "probability": round(float(row[best]), 4),
                "probabilities": {name: round(float(p), 4) for name, p in zip(classes, row, strict=True)},
            }
        )
    return answers


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: `right 0.998`."""
    return f"{answer['label']} {answer['probability']:.3f}"


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """The confusion of classes, and some examples, those answered wrongly first; `inputs` gives what was read."""
    from pipeline import figures as draw

    rows = predictions(outputs, targets, description)
    actual, predicted = list(map(str, rows["actual"])), list(map(str, rows["predicted"]))
    pictures = {"confusion": draw.confusion(actual, predicted, names_of(description))}
    if description.layout == "texts":
        wrong = mistakes(outputs, targets, description, inputs)[:TEXTS_SHOWN]
        return pictures | ({"mistakes": draw.mistakes(wrong)} if wrong else {})
    axes = inputs([0]).ndim
    if axes == SEQUENCE_AXES:
        return pictures
    shown = examples_shown(outputs, targets, CLIPS_SHOWN if axes == CLIP_AXES else IMAGES_SHOWN)
    right = [actual[row] == predicted[row] for row in shown]
    captions = [
        predicted[row] if good else f"{predicted[row]}\nnot {actual[row]}"
        for row, good in zip(shown, right, strict=True)
    ]
    pictures["examples"] = (draw.clips if axes == CLIP_AXES else draw.images)(inputs(shown), captions, right)
    return pictures


def mistakes(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> list[dict[str, object]]:
    """The texts that were answered wrongly, most surely first, for `mistakes.csv`."""
    assert description.tokenizer, "a description of texts"
    share, classes, vocabulary = probabilities(outputs), names_of(description), description.vocabulary or []
    answers = share.argmax(axis=-1)
    wrong = np.flatnonzero(answers != targets)
    shown = [int(row) for row in wrong[np.argsort(-share[wrong].max(axis=-1), kind="stable")][:MISTAKES_LISTED]]
    return [
        {
            "example": row,
            "actual": classes[targets[row]],
            "predicted": classes[answers[row]],
            "probability": round(float(share[row].max()), 4),
            "text": text_of([vocabulary[token] for token in tokens if token], description.tokenizer),
        }
        for row, tokens in zip(shown, inputs(shown) if shown else [], strict=True)
    ]


def examples_shown(outputs: Array, targets: Array, number: int) -> list[int]:
    """Which examples the figure shows: wrong ones, up to half of them, then any; of each class in turn, the first."""
    wrong = np.flatnonzero(probabilities(outputs).argmax(axis=-1) != targets)
    mistaken = _in_turn(wrong, targets, number // 2)
    return list(dict.fromkeys([*mistaken, *_in_turn(np.arange(len(targets)), targets, number)]))[:number]


def _in_turn(rows: Array, targets: Array, number: int) -> list[int]:
    """So many of the rows: the first of each class, then the second of each."""
    by_class = [rows[targets[rows] == label][:number] for label in np.unique(targets)]
    return [int(found[turn]) for turn in range(number) for found in by_class if turn < len(found)][:number]
