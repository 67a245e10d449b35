"""The conditional random field against every sequence of labels there is, written out one by one."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax_process import run_on_jax

from pipeline.dataset import Array
from pipeline.text.tagging import allowed_pairs, tag_names
from pipeline.viterbi import best_answers, best_labels

SIZES = [(2, 1), (2, 5), (3, 4), (4, 5)]  # labels, steps
LENGTHS = (5, 3, 1)


def drawn(labels: int, steps: int, batch: int = 3, seed: int = 1) -> Array:
    """Pair scores [B, T, K, K], the first step's the same whatever comes before."""
    scores = np.random.default_rng(seed).normal(size=(batch, steps, labels, labels)) * 2
    scores[:, 0] = scores[:, 0, :1]
    return scores.astype(np.float32)


def every_sequence(scores: Array) -> tuple[Array, Array]:
    """All sequences of labels [S, T] and what they score [B, S] in float64."""
    batch, steps, labels, _ = scores.shape
    sequences = np.array(list(itertools.product(range(labels), repeat=steps)))
    totals = np.zeros((batch, len(sequences)))
    for step in range(steps):
        previous = sequences[:, step - 1] if step else np.zeros(len(sequences), int)
        totals += scores[:, step, previous, sequences[:, step]].astype(np.float64)
    return sequences, totals


def log_of_sum(totals: Array) -> Array:
    highest = totals.max(axis=1)
    return np.log(np.exp(totals - highest[:, None]).sum(axis=1)) + highest


def value_and_gradient(function: Any, *given: Array) -> tuple[Array, Array]:
    """What a function of `given` answers [B], and the gradient of its sum in the first."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        first = tf.constant(given[0])
        with tf.GradientTape() as tape:
            tape.watch(first)
            value = function(first, *given[1:])
        return np.asarray(value), np.asarray(tape.gradient(value, first))
    import jax

    found = jax.value_and_grad(lambda first: (lambda v: (v.sum(), v))(function(first, *given[1:])), has_aux=True)(
        given[0]
    )
    return np.asarray(found[0][1]), np.asarray(found[1])


@pytest.mark.parametrize(("labels", "steps"), SIZES)
def test_the_partition_and_its_gradient_are_those_of_all_sequences(keras: Any, labels: int, steps: int) -> None:
    from pipeline.layers.crf import log_partition

    scores = drawn(labels, steps)
    value, gradient = value_and_gradient(log_partition, scores)
    sequences, totals = every_sequence(scores)
    np.testing.assert_allclose(value, log_of_sum(totals), rtol=1e-5)
    share = np.exp(totals - log_of_sum(totals)[:, None])
    expected = np.zeros(scores.shape)
    for step in range(steps):
        for sequence, of_each in zip(sequences, share.T, strict=True):
            expected[:, step, sequence[step - 1] if step else 0, sequence[step]] += of_each
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize(("labels", "steps"), SIZES)
def test_the_likelihood_and_its_gradient_are_those_of_all_sequences(keras: Any, labels: int, steps: int) -> None:
    from pipeline.layers.crf import negative_log_likelihood

    scores = drawn(labels, steps)
    sequences, totals = every_sequence(scores)
    for chosen in range(0, len(sequences), max(1, len(sequences) // 7)):
        true = np.repeat(sequences[chosen][None], len(scores), axis=0).astype(np.int32)
        value, gradient = value_and_gradient(negative_log_likelihood, scores, true)
        np.testing.assert_allclose(value, log_of_sum(totals) - totals[:, chosen], rtol=1e-4, atol=1e-5)
        # A little more for one pair: the slope of the likelihood of all sequences.
        place = (1, steps - 1, 0, labels - 1)
        moved = scores.astype(np.float64)
        moved[place] += 1e-4
        moved[1, 0] = moved[1, 0, :1] if steps > 1 else moved[1, 0]
        _, others = every_sequence(moved)
        slope = ((log_of_sum(others) - others[:, chosen]) - (log_of_sum(totals) - totals[:, chosen]))[1] / 1e-4
        assert gradient[place] == pytest.approx(slope, abs=1e-3)


def test_probabilities_of_all_sequences_add_up_to_one(keras: Any) -> None:
    from pipeline.layers.crf import negative_log_likelihood

    scores = drawn(3, 4, batch=1)
    sequences, _ = every_sequence(scores)
    each = np.asarray(negative_log_likelihood(np.repeat(scores, len(sequences), axis=0), sequences.astype(np.int32)))
    assert np.exp(-each.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 10_000))
def test_the_best_labels_are_the_best_of_all_sequences(size: tuple[int, int], seed: int) -> None:
    scores = drawn(*size, seed=seed)
    sequences, totals = every_sequence(scores)
    np.testing.assert_array_equal(best_labels(scores), sequences[totals.argmax(axis=1)])
    assert best_answers(scores).argmax(axis=-1).tolist() == best_labels(scores).tolist()
    assert set(np.unique(best_answers(scores))) == {0.0, 1.0}


def layer_and_emissions(steps: int, lengths: tuple[int, ...], allowed: bool, seed: int = 3) -> tuple[Any, Array, Array]:
    """A layer of random weights for the tags of one type, emissions [B, T, K] and their mask."""
    from pipeline.layers.crf import PairScores

    rules = allowed_pairs(tag_names(["a"], "iobes"), "iobes")
    layer = PairScores(rules.first, rules.pairs, rules.last) if allowed else PairScores()
    rng = np.random.default_rng(seed)
    emissions = rng.normal(size=(len(lengths), steps, 5)).astype(np.float32)
    layer.build(emissions.shape)
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in layer.weights])
    return layer, emissions, np.arange(steps)[None] < np.array(lengths)[:, None]


def by_hand(layer: Any, emissions: Array, allowed: bool) -> dict[tuple[int, ...], float]:
    """What every sequence of tags of one sentence [T, K] scores, those that are forbidden left out."""
    transitions, beginning, end = (weight.numpy() for weight in layer.weights)
    rules = allowed_pairs(tag_names(["a"], "iobes"), "iobes")
    found = {}
    for tags in itertools.product(range(emissions.shape[1]), repeat=len(emissions)):
        pairs = list(itertools.pairwise(tags))
        may = rules.first[tags[0]] and rules.last[tags[-1]] and all(rules.pairs[i][j] for i, j in pairs)
        if may or not allowed:
            total = beginning[tags[0]] + end[tags[-1]] + sum(transitions[i, j] for i, j in pairs)
            found[tags] = float(total + sum(emissions[t, tag] for t, tag in enumerate(tags)))
    return found


@pytest.mark.parametrize("allowed", [False, True], ids=["all", "of_the_scheme"])
def test_sentences_of_different_lengths_are_scored_as_each_alone(keras: Any, allowed: bool) -> None:
    from pipeline.layers.crf import log_partition, negative_log_likelihood

    layer, emissions, mask = layer_and_emissions(max(LENGTHS), LENGTHS, allowed)
    emissions[~mask] = 7e3  # whatever the network says of padding
    scores = np.asarray(layer(emissions, mask=mask))
    partition, best = np.asarray(log_partition(scores)), best_labels(scores)
    true = np.full(mask.shape, -1, np.int32)
    expected = []
    for row, length in enumerate(LENGTHS):
        totals = by_hand(layer, emissions[row, :length], allowed)
        partition_here = np.log(np.sum(np.exp(list(totals.values()))))
        assert partition[row] == pytest.approx(partition_here, abs=1e-4)
        assert tuple(best[row, :length]) == max(totals, key=totals.__getitem__)
        true[row, :length] = list(totals)[len(totals) // 2]
        expected.append(partition_here - list(totals.values())[len(totals) // 2])
    np.testing.assert_allclose(negative_log_likelihood(scores, true), expected, atol=1e-4)


def test_without_a_mask_every_step_counts(keras: Any) -> None:
    layer, emissions, _ = layer_and_emissions(4, (4, 4), allowed=True)
    np.testing.assert_array_equal(layer(emissions), layer(emissions, mask=np.ones((2, 4), bool)))


def test_padding_has_no_part_in_loss_and_gradient(keras: Any) -> None:
    from pipeline.layers.crf import SequenceLoss

    layer, emissions, mask = layer_and_emissions(6, (6, 2), allowed=True)
    true = np.where(mask, [[1, 2, 3, 0, 4, 0], [1, 3, 0, 0, 0, 0]], -1).astype(np.int32)

    def loss(given: Any) -> Any:
        return SequenceLoss()(true, layer(given, mask=mask))[None]

    value, gradient = value_and_gradient(loss, emissions)
    assert (gradient[1, 2:] == 0).all() and (gradient[mask] != 0).any()
    emissions[1, 2:] = 5
    np.testing.assert_allclose(value_and_gradient(loss, emissions)[0], value, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_ten_thousand_steps_stay_exact_and_finite(keras: Any, scale: float) -> None:
    """Against the same in float64, where it is a product of 10,000 matrices rescaled at each."""
    from pipeline.layers.crf import negative_log_likelihood

    steps = 10_000
    layer, emissions, _ = layer_and_emissions(steps, (steps,), allowed=True)
    emissions *= scale
    scores = np.asarray(layer(emissions))
    true = best_labels(scores).astype(np.int32)
    value, gradient = value_and_gradient(negative_log_likelihood, scores, true)
    known, total = np.zeros(5), 0.0
    for step in range(steps):
        joint = (known[:, None] if step else 0) + scores[0, step].astype(np.float64)
        joint = joint if step else joint[:1]
        after = np.log(np.exp(joint - joint.max(axis=0)).sum(axis=0)) + joint.max(axis=0)
        added = np.log(np.exp(after - after.max()).sum()) + after.max()
        known = after - added
        total += added - scores[0, step, true[0, step - 1] if step else 0, true[0, step]]
    assert value[0] == pytest.approx(total, rel=1e-4, abs=1e-2)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose((gradient.sum(axis=(-2, -1)))[0], 0, atol=1e-4)  # one pair at each step, in both
    assert np.abs(gradient).max() <= 1 + 1e-4


def test_what_the_scheme_forbids_is_never_answered_and_has_no_probability(keras: Any) -> None:
    from pipeline.layers.crf import log_partition

    tags = tag_names(["a"], "iobes")
    rules = allowed_pairs(tags, "iobes")
    for seed in range(20):
        layer, emissions, mask = layer_and_emissions(12, (12, 7, 1), allowed=True, seed=seed)
        scores = np.asarray(layer(emissions * 40, mask=mask))
        for row, length in zip(best_labels(scores), (12, 7, 1), strict=True):
            assert rules.first[row[0]] and rules.last[row[length - 1]]
            assert all(rules.pairs[i][j] for i, j in itertools.pairwise(row[:length]))
        pairs = value_and_gradient(log_partition, scores)[1]
        assert (pairs[:, 1:][..., ~np.array(rules.pairs)][mask[:, 1:]] == 0).all()


def test_the_layer_is_made_again_from_its_settings(keras: Any) -> None:
    from pipeline.layers.crf import PairScores

    layer, emissions, mask = layer_and_emissions(4, (4, 2), allowed=True)
    again = PairScores.from_config(json.loads(json.dumps(layer.get_config())))
    again.build(emissions.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(emissions, mask=mask), layer(emissions, mask=mask))


def results() -> list[list[float]]:
    """Loss and gradient in emissions and weights, for both backends."""
    from pipeline.layers.crf import SequenceLoss

    found = []
    for steps in (6, 30):
        layer, emissions, mask = layer_and_emissions(steps, (steps, 4), allowed=True)
        true = np.where(mask, 0, -1).astype(np.int32)
        true[0, :3] = [1, 2, 3]

        def loss(given: Any, layer: Any = layer, mask: Array = mask, true: Array = true) -> Any:
            return SequenceLoss()(true, layer(given, mask=mask))[None]

        value, gradient = value_and_gradient(loss, emissions)
        found.append([*value.ravel().tolist(), *gradient.ravel().tolist()])
    return found


@pytest.mark.slow
def test_jax_computes_what_tensorflow_computes(keras: Any) -> None:
    on_jax = json.loads(run_on_jax("import json, test_crf; print(json.dumps(test_crf.results()))"))
    for here, there in zip(results(), on_jax, strict=True):
        np.testing.assert_allclose(here, there, atol=1e-5)
