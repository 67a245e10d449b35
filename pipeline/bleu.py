"""BLEU and chrF of texts against their references, as sacrebleu counts them: its tokenizer 13a, case as it is, one
reference, exponential smoothing. Post, *A Call for Clarity in Reporting BLEU Scores* (2018).

Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine Translation* (2002); Popović, *chrF* (2015).
sacrebleu is imported where texts are counted.

Shape legend: N texts, G = 4 lengths of n-grams.
"""

from collections.abc import Iterable

import numpy as np

from pipeline.dataset import Array

ORDERS = (1, 2, 3, 4)
# What is counted of a text: its tokens and its reference's, how many of its n-grams are right, and how many it has.
COUNTS = ("tokens", "reference_tokens", *(f"right_{n}" for n in ORDERS), *(f"ngrams_{n}" for n in ORDERS))


def bleu_counts(texts: Iterable[str], references: Iterable[str]) -> Array:
    """One row per text [N, 10], in the order of `COUNTS`."""
    from sacrebleu.metrics import BLEU

    scorer = BLEU(effective_order=True)  # of which the counts know nothing; else, sacrebleu warns of each text
    scores = (scorer.sentence_score(text, [reference]) for text, reference in zip(texts, references, strict=True))
    rows = [[score.sys_len, score.ref_len, *score.counts, *score.totals] for score in scores]
    return np.array(rows, dtype=np.float64).reshape(-1, len(COUNTS))


def bleu_of(sums: Array) -> Array:
    """BLEU [...] of summed counts [..., 10], from 0 to 100.

    Where no n-gram of a length is right, half of one counts as right, of the next such length a quarter, and so on.
    """
    written, asked = sums[..., 0], sums[..., 1]
    right, total = sums[..., 2 : 2 + len(ORDERS)], sums[..., 2 + len(ORDERS) :]
    none_right = right == 0
    counted = np.where(none_right, 0.5 ** none_right.cumsum(axis=-1), right)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(total > 0, counted / total, 0)
        brevity = np.where(written > 0, np.exp(np.minimum(0, 1 - asked / written)), 0)
        geometric = np.exp(np.log(precision).mean(axis=-1))
    return np.asarray(100 * brevity * np.where(right.any(axis=-1), geometric, 0))


def chrf(texts: Iterable[str], references: Iterable[str]) -> float:
    """chrF2 of all texts together, from 0 to 100."""
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(list(texts), [list(references)]).score)


def signatures() -> dict[str, str]:
    """What sacrebleu says of how each metric was computed, to be given with every number."""
    from sacrebleu.metrics import BLEU, CHRF

    found = {}
    for name, scorer in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        scorer.corpus_score(["one"], [["one"]])  # it counts the references
        found[name] = str(scorer.get_signature())
    return found
