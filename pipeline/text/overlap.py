"""How much texts that were written have in common with those that were asked for.

BLEU: Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine Translation* (2002), as sacrebleu computes it
(Post, *A Call for Clarity in Reporting BLEU Scores*, 2018), by its own tokens and 0 to 100.
"""

from collections.abc import Sequence

DIGITS = 8


def overlap(written: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """`exact_match`, the share of texts that are as asked for, and `bleu` of all of them together."""
    import sacrebleu

    same = sum(found == asked for found, asked in zip(written, references, strict=True))
    return {
        "exact_match": round(same / len(references), DIGITS),
        "bleu": round(sacrebleu.corpus_bleu(list(written), [list(references)]).score, DIGITS),
    }
