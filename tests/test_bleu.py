"""BLEU from counts that add up, against sacrebleu and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bleu import COUNTS, bleu_counts, bleu_of, chrf, signatures

WORDS = st.sampled_from(["the", "a", "dog", "cat", "runs", "sleeps", "fast", ",", ".", "über", "3.5", "it's"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS.filter(bool)), min_size=1, max_size=8))
def test_bleu_of_summed_counts_is_sacrebleus_of_the_corpus(pairs: list[tuple[str, str]]) -> None:
    from sacrebleu.metrics import BLEU

    texts, references = ([pair[side] for pair in pairs] for side in (0, 1))
    counts = bleu_counts(texts, references)
    assert counts.shape == (len(pairs), len(COUNTS)) and counts.dtype == np.float64
    expected = BLEU(force=True).corpus_score(texts, [references]).score
    assert float(bleu_of(counts.sum(axis=0))) == pytest.approx(expected, abs=1e-9)
    for row, text, reference in zip(bleu_of(counts), texts, references, strict=True):
        assert row == pytest.approx(BLEU(force=True).corpus_score([text], [[reference]]).score, abs=1e-9)


def test_by_hand() -> None:
    counts = bleu_counts(["the dog runs fast today"], ["the dog runs very fast today ."])
    assert counts.tolist() == [[5, 7, 5, 3, 1, 0, 5, 4, 3, 2]]
    precisions = 5 / 5 * 3 / 4 * 1 / 3 * (0.5 / 2)
    assert float(bleu_of(counts.sum(axis=0))) == pytest.approx(100 * math.exp(1 - 7 / 5) * precisions**0.25)


def test_edges() -> None:
    same = bleu_counts(["a b c d e"], ["a b c d e"])
    assert bleu_of(same).tolist() == pytest.approx([100])
    assert bleu_of(bleu_counts(["", "x y z w"], ["a b", "a b c d"])).tolist() == [0, 0]
    assert bleu_of(np.zeros((2, 10))).tolist() == [0, 0]


def test_the_signatures_say_how() -> None:
    found = signatures()
    assert "tok:13a|smooth:exp|version:" in found["bleu"] and found["bleu"].startswith("nrefs:1|case:mixed")
    assert "nc:6|nw:0" in found["chrf"]
    assert chrf(["a dog"], ["a dog"]) == pytest.approx(100)
