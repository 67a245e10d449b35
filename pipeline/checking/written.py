"""What is checked and counted of texts that are asked for: vocabulary, tokens, ends, and the texts themselves.

Shape legend: N examples, T tokens of an answer.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from pipeline.checking.findings import DIGITS, Finding, error, warning
from pipeline.checking.sequences import ADVICE, check_length
from pipeline.dataset import END, PADDING, START, UNKNOWN, Array, Arrays, Card

RESERVED = (PADDING, UNKNOWN, START, END)
NEEDED = ("y", "y_length", "reference")
UNKNOWN_INDEX = RESERVED.index(UNKNOWN)
LARGEST_UNKNOWN_SHARE = 0.03


def check_card_of_answers(card: Card) -> Iterator[Finding]:
    """Where the card lacks what texts that are asked for need."""
    answers = card.answers
    assert answers, "asked of cards with answers only"
    first = tuple(answers.vocabulary[: len(RESERVED)])
    if first != RESERVED:
        found, allowed = ", ".join(first) or "nothing", ", ".join(RESERVED)
        yield error("schema", "card.json", "answers.vocabulary begins with", found, allowed, ADVICE)
    for key, tokenizer, model in (
        ("subwords", card.tokenizer, card.subwords),
        ("answers.subwords", answers.tokenizer, answers.subwords),
    ):
        if (tokenizer == "subwords") != bool(model):
            found, allowed = ("a model", "none") if model else ("none", "a model")
            yield error("schema", "card.json", key, found, f"{allowed}, as the tokenizer is {tokenizer}", ADVICE)
    if card.classes:
        yield error("schema", "card.json", "classes", len(card.classes), "none, as texts are asked for", ADVICE)


def check_answers(split: str, arrays: Arrays, card: Card) -> Iterator[Finding]:
    """Where the arrays of a split are no texts that are asked for."""
    lacking = [name for name in NEEDED if name not in arrays]
    if lacking:
        yield error("schema", split, "arrays", ", ".join(arrays), f"{', '.join(lacking)} as well", ADVICE)
        return
    for name in ("y", "reference"):
        values, kind = arrays[name], "unsigned integers [N, T]" if name == "y" else "uint8 [N, R]"
        if values.ndim != 2 or values.dtype.kind != "u" or (name == "reference" and values.dtype.itemsize > 1):
            yield error("schema", f"{split} {name}", "texts", f"{values.dtype} {list(values.shape)}", kind, ADVICE)
            return
    y = np.asarray(arrays["y"])
    findings = list(check_length(split, arrays["y_length"], len(y), y.shape[1], "y_length"))
    yield from findings or _tokens(split, y, np.asarray(arrays["y_length"]), card)
    yield from _references(split, arrays["reference"])


def _tokens(split: str, y: Array, length: Array, card: Card) -> Iterator[Finding]:
    held = np.arange(y.shape[1]) < length[:, None]
    largest = len(card.answers.vocabulary) - 1 if card.answers else 0
    reserved = held & ((y == RESERVED.index(START)) | (y == RESERVED.index(END)))
    for statistic, wrong, allowed in (
        ("answers whose padding does not begin at their end", (y == 0) == held, "0 (padding is 0)"),
        ("answers with a token beyond the vocabulary", y > largest, f"0 (tokens up to {largest})"),
        (f"answers that hold {START} or {END}", reserved, "0, as they are added where they are needed"),
    ):
        rows = wrong.any(axis=1)
        if rows.any():
            first = f"{statistic}, first in row {int(np.argmax(rows))}"
            yield error("schema", f"{split} y", first, int(rows.sum()), allowed, ADVICE)


def _references(split: str, references: Array) -> Iterator[Finding]:
    for row, letters in enumerate(references.view(np.ndarray)):
        try:
            text = letters.tobytes().rstrip(b"\0").decode()
        except UnicodeDecodeError as misfit:
            yield error("schema", f"{split} reference", f"row {row}", str(misfit), "text in UTF-8", ADVICE)
            return
        if not text.strip():
            yield error("schema", f"{split} reference", f"row {row}", "nothing", "a text", ADVICE)
            return


def check_unknown(facts: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    """Splits of which much cannot be written, as no token says it."""
    for split, counted in facts.items():
        share = counted.get("answer_unknown_share", 0)
        if share > LARGEST_UNKNOWN_SHARE:
            statistic = f"share of the tokens that are {UNKNOWN}"
            advice = "they cannot be written: raise vocabulary_size, lower min_count, or take subwords"
            yield warning("ranges", f"{split} y", statistic, share, LARGEST_UNKNOWN_SHARE, advice)


def text_facts(arrays: Arrays) -> dict[str, float]:
    """Of texts that are read, and, as `answer_...`, of those that are asked for: the mean number of `tokens`, the most
    (`longest`), the share of tokens that are unknown, and the share of what is stored that is padding."""
    sides = {"": ("x", "length"), "answer_": ("y", "y_length")}
    found: dict[str, float] = {}
    for side, (name, lengths) in sides.items():
        if lengths in arrays:
            tokens, length = np.asarray(arrays[name]), np.asarray(arrays[lengths])
            total = int(length.sum())
            found |= {
                f"{side}tokens": total / len(length),
                f"{side}longest": int(length.max()),
                f"{side}unknown_share": int(np.count_nonzero(tokens == UNKNOWN_INDEX)) / total,
                f"{side}padding_share": 1 - total / tokens.size,
            }
    return {name: round(value, DIGITS) for name, value in found.items()}


def answer_features(arrays: Arrays) -> dict[str, Array]:
    """How long each answer is, and which share of its tokens is unknown: each [N]."""
    length = np.asarray(arrays["y_length"], np.float64)
    unknown = (np.asarray(arrays["y"]) == UNKNOWN_INDEX).sum(axis=1)
    return {"answer_length": length, "answer_unknown_share": unknown / length}
