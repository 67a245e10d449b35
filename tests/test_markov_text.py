"""The Markov text: its ceilings against the probability of every single letter, and against the chain's entropy."""

import math

import numpy as np
import pytest

from pipeline.datasets import markov_text
from pipeline.datasets.markov_text import Parameters, count_followers, describe, draw_split, weights
from pipeline.views import VIEWS

ORDERS = pytest.mark.parametrize("order", [1, 2, 3])


def drawn(parameters: Parameters, num: int = 50, seed: int = 1) -> np.ndarray:
    return draw_split(parameters, num, np.random.default_rng(seed))["x"]


@ORDERS
def test_the_ceilings_are_what_the_table_says_of_every_letter_that_has_a_context(order: int) -> None:
    parameters = Parameters(letters=4, order=order, length=12)
    x, table = drawn(parameters), weights(parameters)
    description = describe(parameters, {"x": x})
    nats, right = [], []
    for example in x.tolist():
        for step in range(order, len(example)):
            context = sum(
                letter * 4 ** (order - 1 - place) for place, letter in enumerate(example[step - order : step])
            )
            row = table[context].tolist()
            nats.append(-math.log(row[example[step]] / sum(row)))
            right.append(row.index(max(row)) == example[step])
    cross_entropy = math.fsum(nats) / len(nats)
    assert description.ceilings == pytest.approx(
        {
            "cross_entropy": cross_entropy,
            "bits_per_character": cross_entropy / math.log(2),
            "perplexity": math.exp(cross_entropy),
            "next_character_accuracy": np.mean(right),
        },
        abs=1e-7,
    )
    # The letters that are counted are those that the view asks for.
    asked = VIEWS["next_symbols"].targets({"x": x}, description) >= 0
    assert asked.sum() == len(nats) and asked[:, order - 1 :].all()


@ORDERS
def test_of_a_long_text_the_ceiling_is_the_entropy_of_the_chain(order: int) -> None:
    """H = -sum over contexts of their stationary probability times the entropy of what follows them."""
    parameters = Parameters(letters=3, order=order, length=2000)
    table = weights(parameters)
    follows = table / table.sum(axis=1, keepdims=True)
    contexts = np.arange(len(table))
    share = np.full(len(table), 1 / len(table))
    for _ in range(500):
        moved = np.zeros_like(share)
        for letter in range(3):
            np.add.at(moved, (contexts * 3 + letter) % len(table), share * follows[:, letter])
        share = moved
    entropy = -(share[:, None] * follows * np.log(follows)).sum()
    found = describe(parameters, {"x": drawn(parameters, 200)}).ceilings["cross_entropy"]
    assert found == pytest.approx(entropy, rel=0.005)


def test_letters_follow_each_other_as_often_as_the_table_says() -> None:
    parameters = Parameters(letters=3, order=2, length=500, likely=1)
    counts = count_followers(drawn(parameters, 400), 3, 2)
    table = weights(parameters)
    np.testing.assert_allclose(
        counts / counts.sum(axis=1, keepdims=True), table / table.sum(axis=1, keepdims=True), atol=0.02
    )
    assert (table > 0).all()  # every letter can follow, so the chain forgets how it began


def test_followers_are_counted_by_the_letters_before_them() -> None:
    x = np.array([[0, 1, 0, 1], [1, 1, 0, 0]], np.uint8)
    assert count_followers(x, 2, 0).tolist() == [[4, 4]]
    assert count_followers(x, 2, 1).tolist() == [[1, 2], [2, 1]]
    assert count_followers(x, 2, 2).tolist() == [[0, 0], [1, 0], [1, 1], [1, 0]]


def test_readers_of_fewer_letters_are_references_and_reach_less() -> None:
    parameters = Parameters(letters=4, order=2, length=60)
    x = drawn(parameters)
    found = describe(parameters, {"x": x})
    _, counts = np.unique(x[:, 2:], return_counts=True)
    share = counts / counts.sum()
    by_frequency = found.references["letters by their frequency"]
    assert by_frequency["cross_entropy"] == pytest.approx(-(share * np.log(share)).sum(), abs=1e-7)
    assert by_frequency["next_character_accuracy"] == pytest.approx(share.max(), abs=1e-7)
    scores = [each["cross_entropy"] for each in (*found.references.values(), found.ceilings)]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    assert list(describe(Parameters(letters=4, order=1, length=60), {"x": x}).references) == [
        "letters by their frequency"
    ]


def test_all_splits_speak_one_language_and_another_is_another() -> None:
    parameters = Parameters(letters=5, order=1, length=20)
    np.testing.assert_array_equal(weights(parameters), weights(parameters))
    assert not np.array_equal(weights(parameters), weights(parameters.model_copy(update={"language": 1})))
    assert markov_text.describe(parameters, {"x": drawn(parameters)}).vocabulary == list(" abcd")
