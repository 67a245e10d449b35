"""How much texts that were written have in common with those that were asked for."""

from collections.abc import Sequence

from pipeline.bleu import bleu_counts, bleu_of

DIGITS = 8


def overlap(written: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`exact_match`, the share of texts that are as asked for, and `bleu` of all of them together."""
    same = sum(found == asked for found, asked in zip(written, references, strict=True))
    return {
        "exact_match": round(same / len(references), DIGITS),
        "bleu": round(float(bleu_of(bleu_counts(written, references).sum(axis=0))), DIGITS),
    }
