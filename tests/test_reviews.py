"""The reviews: what order says and what counts leave open, computed again by going through every way to read them."""

from itertools import permutations, product

import numpy as np
import pytest

from pipeline.datasets import reviews
from pipeline.datasets.reviews import INDEX, NEGATION, NEGATIVE, POSITIVE, VOCABULARY, Parameters

PARAMETERS = Parameters(hearsay=2, asides=1, mislabelled=0.0)


def drawn(parameters: Parameters, number: int = 3000, seed: int = 1) -> dict[str, np.ndarray]:
    return dict(reviews.draw_split(parameters, number, np.random.default_rng(seed)))


def words_of(arrays: dict[str, np.ndarray], row: int) -> list[str]:
    return [VOCABULARY[word] for word in arrays["x"][row, : arrays["length"][row]]]


@pytest.mark.parametrize(
    ("review", "label"),
    [
        ("i found it good .", 1),
        ("i found it not good .", 0),
        ("we consider it not really awful . critics call it so great .", 1),
        ("people name it great . i find it bad . we saw the film on monday .", 0),
        ("i find it good . we found it very bad .", 0),
        ("i find it really good . we found it not bad . friends called it dull .", 1),
    ],
)
def test_a_review_says_what_its_writer_thinks_and_thinks_most_strongly(review: str, label: int) -> None:
    assert reviews.read(review.split()) == label


def test_without_false_labels_every_review_has_the_label_that_it_says() -> None:
    arrays = drawn(PARAMETERS)
    assert all(reviews.read(words_of(arrays, row)) == label for row, label in enumerate(arrays["y"]))
    assert reviews.describe(PARAMETERS, arrays).ceilings == {"accuracy": 1.0}
    wrong = drawn(Parameters(mislabelled=0.1))
    assert reviews.describe(Parameters(mislabelled=0.1), wrong).ceilings["accuracy"] == pytest.approx(0.9, abs=0.02)


def test_words_are_numbered_once_and_padding_begins_at_the_end() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    arrays = drawn(Parameters(hearsay=3, asides=2))
    held = np.arange(arrays["x"].shape[1]) < arrays["length"][:, None]
    assert ((arrays["x"] > 0) == held).all() and arrays["length"].max() <= Parameters(hearsay=3, asides=2).longest
    assert all(arrays["x"][row, end - 1] == INDEX["."] for row, end in enumerate(arrays["length"]))


def chance_of_positive(positive: int, negative: int, negations: int) -> float:
    """Over all ways to give opinions their polarity and negations, the share in which the first one says positive."""
    opinions = positive + negative
    ways = set(product(set(permutations([1] * positive + [0] * negative)), set(permutations(range(opinions)))))
    says = [(polarity[0] == 1) != (order[0] < negations) for polarity, order in ways]
    return float(np.mean(says))


@pytest.mark.parametrize(("positive", "negative"), [(1, 1), (2, 1), (0, 3), (3, 1), (2, 2)])
def test_the_best_reader_of_counts_goes_through_all_ways_to_read_them(positive: int, negative: int) -> None:
    for negations in range(positive + negative + 1):
        chance = chance_of_positive(positive, negative, negations)
        words = [*POSITIVE[:positive], *NEGATIVE[:negative], *[NEGATION] * negations]
        x = np.array([[INDEX[word] for word in words]], np.uint16)
        found = [reviews.counting_accuracy({"x": x, "y": np.array([label])}) for label in (0, 1)]
        expected = [0.5, 0.5] if chance == 0.5 else [float(chance < 0.5), float(chance > 0.5)]
        assert found == expected, (negations, chance)


def test_no_reader_of_counts_does_better_on_many_reviews() -> None:
    """One that has seen the reviews: it answers each collection of words as most reviews with it were labelled."""
    train, test = drawn(PARAMETERS, 40_000, seed=2), drawn(PARAMETERS, 10_000, seed=3)
    kinds = [
        np.isin(np.arange(len(VOCABULARY)), [INDEX[w] for w in words]) for words in (POSITIVE, NEGATIVE, (NEGATION,))
    ]

    def bags(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return sum(kind[arrays["x"]].sum(axis=1) * 20**place for place, kind in enumerate(kinds))

    votes = np.zeros((20**3, 2))
    np.add.at(votes, (bags(train), train["y"]), 1)
    learnt = float((votes[bags(test)].argmax(axis=1) == test["y"]).mean())
    best = reviews.counting_accuracy(test)
    assert best == pytest.approx(learnt, abs=0.015)
    assert 0.55 < best < 0.7


def test_the_reference_lies_clearly_below_the_ceiling() -> None:
    description = reviews.describe(Parameters(), drawn(Parameters()))
    assert description.references["counting words, at best"]["accuracy"] < description.ceilings["accuracy"] - 0.25
