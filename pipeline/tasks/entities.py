"""Spans of a text and their types, marked by a tag for each token: what is measured and what is shown.

A span counts where its type and both its ends are right (Tjong Kim Sang & De Meulder 2003). Tokens whose target is -1
lie beyond the end. Shape legend: N texts, T tokens, K tags.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.dataset import Array, Description
from pipeline.text.tagging import Span, span_counts, spans
from pipeline.text.tokenizers import text_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("a label at each step",)
NAMES_TOKENS = True  # in its answers, for which `readable` is given them
METRIC = "entity_f1"
METRICS = ("entity_f1", "precision", "recall", "token_accuracy")
LOWER_IS_BETTER: tuple[str, ...] = ()
COLUMNS = {"texts": "strings", "types": "strings", "starts": "longs", "ends": "longs"}
STATISTICS = ("right", "found", "actual")
TEXTS_SHOWN = 12
NONE = "none"


def measure(outputs: Array, targets: Array, description: Description) -> dict[str, float]:
    """F1, precision and recall of spans, the F1 of each type, and the share of right tags; outputs [N, T, K].

    By seqeval (Nakayama 2018), which reads tags as the shared task's script does.
    """
    from seqeval.metrics import classification_report

    found, true = tags_of_texts(outputs, targets, description)
    report = classification_report(true, found, output_dict=True, zero_division=0)
    total = report.pop("micro avg")
    of_types = {name: values["f1-score"] for name, values in report.items() if not name.endswith(" avg")}
    asked = targets >= 0
    return {
        "entity_f1": float(total["f1-score"]),
        "precision": float(total["precision"]),
        "recall": float(total["recall"]),
        "token_accuracy": float((outputs.argmax(axis=-1) == targets)[asked].mean()),
        **{f"f1_{name}": float(value) for name, value in of_types.items()},
    }


def statistics(outputs: Array, targets: Array, description: Description) -> Array:
    """One row per text [N, 3], in the order of `STATISTICS`, whose sums over any texts give their `METRIC`."""
    found, true = tags_of_texts(outputs, targets, description)
    return np.array([span_counts(*pair) for pair in zip(true, found, strict=True)], dtype=np.float64)


def metric_of(sums: Array) -> Array:
    """F1 [...] of summed statistics [..., 3]: 0 where there is nothing to find and nothing was found."""
    both = sums[..., 1] + sums[..., 2]
    return np.asarray(2 * sums[..., 0] / np.maximum(both, 1))


def tags_of_texts(outputs: Array, targets: Array, description: Description) -> tuple[list[list[str]], list[list[str]]]:
    """The tags found, and those that are true, of each text up to its end."""
    names = np.array(description.classes)
    found, lengths = outputs.argmax(axis=-1), (targets >= 0).sum(axis=-1)
    return tuple(  # type: ignore[return-value]
        [names[row[:length]].tolist() for row, length in zip(tags, lengths, strict=True)] for tags in (found, targets)
    )


def predictions(outputs: Array, targets: Array, description: Description) -> dict[str, list[object]]:
    """One row per span that was found or is there, for `predictions.csv`: its tokens from 0 on, up to `end`."""
    rows: list[tuple[int, int, int, str, str]] = []
    for number, (found, true) in enumerate(zip(*tags_of_texts(outputs, targets, description), strict=True)):
        answered, actual = ({(span.start, span.end): span.type for span in spans(tags)} for tags in (found, true))
        for start, end in sorted({*answered, *actual}):
            place = (start, end)
            rows.append((number, start, end, actual.get(place, NONE), answered.get(place, NONE)))
    columns = ("example", "start", "end", "actual", "predicted")
    return {name: [row[place] for row in rows] for place, name in enumerate(columns)}


def readable(outputs: Array, description: Description, texts: Sequence[list[str]]) -> list[dict[str, object]]:
    """One answer per text, given its tokens: each span's text, type, and tokens from `start` to before `end`."""
    names, tokenizer = description.classes or [], description.tokenizer or "spaces"
    answers: list[dict[str, object]] = []
    for tags, tokens in zip(outputs.argmax(axis=-1), texts, strict=True):
        found = spans([names[tag] for tag in tags[: len(tokens)]])
        answers.append(
            {
                "texts": [text_of(tokens[span.start : span.end], tokenizer) for span in found],
                "types": [span.type for span in found],
                "starts": [span.start for span in found],
                "ends": [span.end for span in found],
            }
        )
    return answers


def sentence(answer: dict[str, object]) -> str:
    """An answer as a person reads it: `Empire State Building (location, tokens 1-3)`."""
    columns = [answer[name] for name in ("texts", "types", "starts", "ends")]
    named = [
        f"{text} ({kind}, {f'token {start + 1}' if end == start + 1 else f'tokens {start + 1}-{end}'})"
        for text, kind, start, end in zip(*columns, strict=True)  # type: ignore[call-overload]
    ]
    return "  ".join(named) or "nothing found"


def figures(
    outputs: Array, targets: Array, description: Description, inputs: Callable[[list[int]], Array]
) -> dict[str, "Figure"]:
    """Some texts with what is there and what was found, those with mistakes first; and the F1 of each type."""
    from pipeline import figures as draw

    found, true = tags_of_texts(outputs, targets, description)
    marked = [(spans(actual), spans(answered)) for actual, answered in zip(true, found, strict=True)]
    shown = texts_shown(marked)
    vocabulary = description.vocabulary or []
    words = [[vocabulary[word] for word in row[row > 0]] for row in inputs(shown)]
    actual = [[(span.start, span.end, span.type) for span in marked[row][0]] for row in shown]
    answered = [[(span.start, span.end, span.type) for span in marked[row][1]] for row in shown]
    return {"texts": draw.spans(words, actual, answered), "types": draw.bars(f1_of_types(marked), "F1")}


def f1_of_types(marked: Sequence[tuple[Sequence[Span], Sequence[Span]]]) -> dict[str, float]:
    """F1 of each type that is there or was found."""
    right, both = Counter[str](), Counter[str]()
    for actual, answered in marked:
        right.update(span.type for span in {*actual} & {*answered})
        both.update(span.type for span in (*actual, *answered))
    return {kind: 2 * right[kind] / both[kind] for kind in sorted(both)}


def texts_shown(marked: Sequence[tuple[Sequence[Span], Sequence[Span]]]) -> list[int]:
    """Which texts the figure shows: wrong ones, up to half of them, then right ones with something in them."""
    wrong = [row for row, (actual, answered) in enumerate(marked) if {*actual} != {*answered}]
    right = [row for row, (actual, answered) in enumerate(marked) if actual and {*actual} == {*answered}]
    rest = [row for row in range(len(marked)) if row not in {*wrong, *right}]
    return list(dict.fromkeys([*wrong[: TEXTS_SHOWN // 2], *right, *wrong, *rest]))[:TEXTS_SHOWN]
