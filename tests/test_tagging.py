"""Schemes of tags: what they allow, how one becomes another, and the spans that they mean."""

import itertools
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.tagging import (
    LETTERS,
    Scheme,
    Span,
    allowed_pairs,
    first_error,
    may_follow,
    scheme_of,
    span_counts,
    spans,
    tag_names,
    tags_of,
)

TYPES = ("a", "b")
ANY_TAG = st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in TYPES)])
every_scheme = pytest.mark.parametrize("scheme", LETTERS)
LENGTH = 4


def every_marking(length: int) -> list[list[Span]]:
    """All ways to mark spans of two types in so many tokens, from left to right."""
    if length <= 0:
        return [[]]
    found = [[*marking] for marking in every_marking(length - 1)]
    for size, kind in itertools.product(range(1, length + 1), TYPES):
        span = Span(kind, length - size, length)
        found += [[*marking, span] for marking in every_marking(length - size)]
    return found


@every_scheme
def test_every_marking_is_written_once_and_read_again(scheme: Scheme) -> None:
    written = {tuple(tags_of(marking, LENGTH, scheme)): marking for marking in every_marking(LENGTH)}
    assert len(written) == len(every_marking(LENGTH))
    for tags, marking in written.items():
        assert spans(tags) == marking
        assert first_error(tags, scheme) is None


@every_scheme
def test_what_a_scheme_allows_is_what_some_marking_writes(scheme: Scheme) -> None:
    """Of all sequences of tags, those allowed pair by pair are those of the markings, no more and no fewer."""
    names = tag_names(TYPES, scheme)
    written = {tuple(tags_of(marking, LENGTH, scheme)) for marking in every_marking(LENGTH)}
    rules = allowed_pairs(names, scheme)
    for sequence in itertools.product(range(len(names)), repeat=LENGTH):
        tags = tuple(names[tag] for tag in sequence)
        allowed = rules.first[sequence[0]] and rules.last[sequence[-1]]
        allowed = allowed and all(rules.pairs[i][j] for i, j in itertools.pairwise(sequence))
        assert allowed == (first_error(tags, scheme) is None)
        assert allowed == (tags in written) or scheme == "iob1"  # in which a type change needs no B-, and B- none


def test_schemes_are_as_published() -> None:
    marking = [Span("a", 0, 2), Span("a", 2, 3), Span("b", 3, 6)]
    assert tags_of(marking, 7, "bio") == ["B-a", "I-a", "B-a", "B-b", "I-b", "I-b", "O"]
    assert tags_of(marking, 7, "iob1") == ["I-a", "I-a", "B-a", "I-b", "I-b", "I-b", "O"]
    assert tags_of(marking, 7, "iobes") == ["B-a", "E-a", "S-a", "B-b", "I-b", "E-b", "O"]
    assert tag_names(["a"], "iobes") == ["O", "B-a", "I-a", "E-a", "S-a"]
    assert may_follow("B-a", "I-a", "bio") and not may_follow("B-a", "I-b", "bio")
    assert not may_follow("B-a", None, "iobes") and may_follow("E-a", None, "iobes")


@pytest.mark.parametrize(
    ("tags", "scheme", "place", "message"),
    [
        (["O", "I-a"], "bio", 1, "tag 'I-a' after O, which the scheme bio does not allow"),
        (["I-a"], "bio", 0, "tag 'I-a' after the boundary of the sentence"),
        (["B-a", "I-b"], "bio", 1, "tag 'I-b' after B-a"),
        (["B-a", "E-a"], "bio", 1, "tag 'E-a' is not of the scheme bio; allowed: O, B-<type>, I-<type>"),
        (["O", "B-a"], "iob1", 1, "tag 'B-a' after O"),
        (["B-a", "O"], "iobes", 1, "tag 'O' after B-a"),
        (["O", "B-a"], "iobes", 1, "tag 'B-a' at the end of a sentence"),
        (["O", "person"], "bio", 1, "tag 'person'; allowed: O, or a letter, '-' and a type, such as B-place"),
        (["B-"], "bio", 0, "tag 'B-'"),
    ],
)
def test_a_tag_outside_the_scheme_is_found_with_its_place(
    tags: list[str], scheme: Scheme, place: int, message: str
) -> None:
    error = first_error(tags, scheme)
    assert error is not None and error[0] == place and message in error[1]


def test_a_scheme_is_known_by_its_letters() -> None:
    assert scheme_of(tag_names(TYPES, "bio")) == "bio"
    assert scheme_of(tag_names(TYPES, "iobes")) == "iobes"
    assert scheme_of(["noun", "verb"]) is None
    assert scheme_of(["B-a", "I-a"]) is None
    assert scheme_of(["O"]) is None


@given(st.lists(ANY_TAG, max_size=12))
def test_spans_are_those_of_the_shared_task_also_where_tags_are_ill_formed(tags: list[str]) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    assert [(span.type, span.start, span.end - 1) for span in spans(tags)] == get_entities(tags)


@given(st.lists(st.lists(st.tuples(ANY_TAG, ANY_TAG), min_size=1, max_size=8), min_size=1, max_size=4))
def test_the_score_of_counted_spans_is_that_of_seqeval(pairs: list[list[tuple[str, str]]]) -> None:
    from seqeval.metrics import f1_score

    true, found = ([[pair[side] for pair in text] for text in pairs] for side in (0, 1))
    counts = [span_counts(*each) for each in zip(true, found, strict=True)]
    right, answered, actual = map(sum, zip(*counts, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = f1_score(true, found, zero_division=0)
    assert 2 * right / max(answered + actual, 1) == pytest.approx(expected)
