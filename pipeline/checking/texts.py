"""What is checked and counted of the layout `texts` alone: vocabulary, padding, unknown tokens, texts that were cut.

Shape legend: N texts, T tokens.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.checking.findings import Finding, error, warning
from pipeline.checking.sequences import ADVICE, check_length, steps_held
from pipeline.dataset import PADDING, UNKNOWN, Array, Arrays, Card

UNKNOWN_INDEX = 1
LARGEST_CUT_SHARE = 0.05


def check_card_of_texts(card: Card) -> Iterator[Finding]:
    """Where the card lacks what texts need."""
    needed = {"classes": bool(card.classes or card.answers), "tokenizer": bool(card.tokenizer), "padded": card.padded}
    for key, given in needed.items():
        if not given:
            yield error("schema", "card.json", key, "none", "one, as texts need it", ADVICE)
    first = (card.vocabulary or [])[:2]
    if first != [PADDING, UNKNOWN]:
        found, allowed = ", ".join(first) or "nothing", f"{PADDING}, {UNKNOWN}"
        yield error("schema", "card.json", "vocabulary begins with", found, allowed, ADVICE)


def check_texts(split: str, arrays: Arrays, labelled: bool) -> Iterator[Finding]:
    """Where the arrays of a split are no texts, or not labelled where they should be; `x` is known to be [N, T]."""
    x, y = np.asarray(arrays["x"]), arrays["y"]
    if "length" not in arrays:
        yield error("schema", split, "arrays", ", ".join(arrays), "x, length, y", ADVICE)
        return
    findings = list(check_length(split, arrays["length"], *x.shape))
    yield from findings
    if not findings:
        held = steps_held(arrays)
        wrong = ((x == 0) == held).any(axis=1)
        if wrong.any():
            statistic = f"texts whose padding does not begin at their end, first in row {int(np.argmax(wrong))}"
            yield error("schema", f"{split} x", statistic, int(wrong.sum()), "0 (padding is 0)", ADVICE)
    if labelled and (y.shape not in (x.shape[:1], x.shape) or y.dtype.kind not in "ui"):
        allowed = f"integers {list(x.shape[:1])} or {list(x.shape)}"
        yield error("schema", f"{split} y", "labels", f"{y.dtype} {list(y.shape)}", allowed, ADVICE)


def check_cut(card: Card) -> Iterator[Finding]:
    """Splits of which many texts are not read to their end."""
    for split, count in card.cut.items():
        if count > LARGEST_CUT_SHARE * card.num_examples(split):
            statistic = f"texts of more than {card.example_shape()[0]} tokens, whose rest is left out"
            allowed = f"{LARGEST_CUT_SHARE:.0%} of {card.num_examples(split)}"
            advice = "if their ends matter, raise `longest` of the import"
            yield warning("ranges", f"{split} x", statistic, count, allowed, advice)


def num_unknown(arrays: Arrays) -> int:
    """Texts of which no token is known."""
    return int((_unknown_shares(arrays) == 1).sum())


def text_features(arrays: Arrays) -> dict[str, Array]:
    """How long each text is, and which share of its tokens is unknown: each [N]."""
    return {"length": np.asarray(arrays["length"], np.float64), "unknown_share": _unknown_shares(arrays)}


def _unknown_shares(arrays: Arrays) -> Array:
    unknown = (np.asarray(arrays["x"]) == UNKNOWN_INDEX).sum(axis=1)
    return np.asarray(unknown / np.asarray(arrays["length"]))
