"""What all tasks whose answers are texts say alike: translations, captions.

Shape legend: N texts, T tokens of an answer, S tokens of a source.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bleu import bleu_counts, bleu_of, chrf
from pipeline.dataset import Array, Description

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("a text",)
METRICS = ("bleu", "chrf", "exact_match", "cross_entropy", "perplexity")
LOWER_IS_BETTER = ("cross_entropy", "perplexity")
COLUMNS = {"text": "string"}
IMAGES_SHOWN, CLIPS_SHOWN, TEXTS_SHOWN = 12, 4, 10
LENGTHS_SHOWN = 8
CLIP_AXES = 5


@dataclass(frozen=True)
class Attended:
    """Where a network looked while it wrote an answer: weights [T, S], a row for each token written."""

    source: Sequence[str]
    answer: Sequence[str]
    weights: Array


@dataclass(frozen=True)
class AnsweredTexts:
    """What there is to know of answers beside the answers.

    nats: [N, 2], the sum of -log p of each reference's tokens, its end included, and how many they are. sources: [N]
    the texts that were answered, and lengths: [N] their tokens; None of pictures. attended: of some of them.
    """

    nats: Array
    sources: Array | None = None
    lengths: Array | None = None
    attended: Sequence[Attended] = ()


def measure(
    outputs: Array, targets: Array, description: Description, texts: AnsweredTexts | None = None
) -> dict[str, float]:
    """BLEU and chrF (0 to 100) and the share of exact answers; with `texts`, what a token of the references costs."""
    measured = {
        "bleu": float(bleu_of(bleu_counts(outputs, targets).sum(axis=0))),
        "chrf": chrf(outputs, targets),
        "exact_match": float(exact(outputs, targets).mean()),
    }
    if texts is None:
        return measured
    sums = texts.nats.sum(axis=0)
    cross_entropy = float(sums[0] / sums[1])
    return measured | {"cross_entropy": cross_entropy, "perplexity": math.exp(cross_entropy)}


def exact(outputs: Array, targets: Array) -> Array:
    """Which answers [N] are their reference, word by word."""
    return np.array([text.split() == reference.split() for text, reference in zip(outputs, targets, strict=True)])


def predictions(
    outputs: Array, targets: Array, description: Description, texts: AnsweredTexts | None = None
) -> dict[str, list[object]]:
    """One row per text, for `predictions.csv`: what was read where that is a text, its reference, the answer."""
    rows: dict[str, list[object]] = {"example": list(range(len(targets)))}
    if texts and texts.sources is not None and texts.lengths is not None:
        rows |= {"source": texts.sources.tolist(), "source_tokens": texts.lengths.tolist()}
    right = exact(outputs, targets).astype(int).tolist()
    return rows | {"actual": targets.tolist(), "predicted": outputs.tolist(), "exact": right}


def readable(outputs: Array, description: Description) -> list[dict[str, object]]:
    """One answer per text: the text."""
    return [{"text": str(text)} for text in outputs]


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it."""
    return str(answer["text"])


def figures(
    outputs: Array,
    targets: Array,
    description: Description,
    inputs: Callable[[list[int]], Array],
    texts: AnsweredTexts | None = None,
) -> dict[str, "Figure"]:
    """Scores by length; some answers beside what was read, wrong ones first; where the network looked."""
    from pipeline import figures as draw

    texts = texts or AnsweredTexts(np.ones((len(targets), 2)))
    right = exact(outputs, targets)
    whose = "reference, words" if texts.lengths is None else "source, tokens"
    lengths = np.array([len(text.split()) for text in targets]) if texts.lengths is None else texts.lengths
    parts = by_length(lengths)
    counts = bleu_counts(outputs, targets)
    pictures = {
        "by_length": draw.scores_by_length(
            [_span(lengths[rows]) for rows in parts],
            [float(right[rows].mean()) for rows in parts],
            [float(bleu_of(counts[rows].sum(axis=0))) for rows in parts],
            [len(rows) for rows in parts],
            f"length of the {whose}",
        )
    }
    if texts.sources is not None:
        shown = shown_first(right, TEXTS_SHOWN)
        pictures["translations"] = draw.translations(
            [(str(texts.sources[row]), str(targets[row]), str(outputs[row]), bool(right[row])) for row in shown]
        )
    else:
        clips = inputs([0]).ndim == CLIP_AXES
        shown = shown_first(right, CLIPS_SHOWN if clips else IMAGES_SHOWN)
        captions = [str(outputs[row]) if right[row] else f"{outputs[row]} (not: {targets[row]})" for row in shown]
        pictures["examples"] = draw.captioned(inputs(shown), captions, [bool(right[row]) for row in shown])
    if texts.attended:
        pictures["attention"] = draw.attention([(each.source, each.answer, each.weights) for each in texts.attended])
    return pictures


def by_length(lengths: Array) -> list[Array]:
    """Which of the texts [N] are about equally long: up to `LENGTHS_SHOWN` parts, the shortest first."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, LENGTHS_SHOWN + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, lengths, side="left")
    return [np.flatnonzero(place == part) for part in np.unique(place)]


def _span(lengths: Array) -> str:
    low, high = int(lengths.min()), int(lengths.max())
    return str(low) if low == high else f"{low}-{high}"


def shown_first(right: Array, number: int) -> list[int]:
    """Which examples the figure shows: wrong ones, up to half of them, then right ones."""
    wrong, good = np.flatnonzero(~right), np.flatnonzero(right)
    return [int(row) for row in [*wrong[: max(number // 2, number - len(good))], *good][:number]]
