"""Beam search, greedy decoding and sampling, against tables in which every text can be looked up."""

from typing import Any

import numpy as np
import pytest
from decoders import TableDecoder, all_texts, sources
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoding.beam import GONE, Beam, _Search, beam_search
from pipeline.decoding.decoder import END_TOKEN, START_TOKEN
from pipeline.decoding.forced import nats, read
from pipeline.decoding.hypotheses import Best, Hypothesis, as_rows, length_penalty
from pipeline.decoding.largest import largest
from pipeline.decoding.search import by_length, search
from pipeline.decoding.stepwise import Sampling, drawn, greedy, sample

SEEDS = st.integers(0, 10_000)
ALPHAS = st.sampled_from([0.0, 0.6, 1.0, 2.0])


def ranked(decoder: TableDecoder, source: int, vocabulary_size: int, limit: int, alpha: float) -> list[Any]:
    """Every text there is, the best first: its score and its tokens without the end."""
    found = []
    for text in all_texts(vocabulary_size, limit):
        score = decoder.log_probability(source, text) / float(length_penalty(len(text), alpha))
        found.append((score, [token for token in text if token != END_TOKEN]))
    return sorted(found, key=lambda each: -each[0])


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(4, 6), st.integers(1, 4), ALPHAS, st.integers(1, 4))
def test_a_beam_that_holds_everything_finds_what_looking_everywhere_finds(seed, size, limit, alpha, n_best) -> None:
    decoder, beam = TableDecoder(3, size, seed), Beam(3**limit * size, alpha, n_best)
    for source, found in enumerate(beam_search(decoder, sources(3), np.full(3, limit), beam)):
        expected = ranked(decoder, source, size, limit, alpha)[:n_best]
        assert [each.tokens.tolist() for each in found] == [tokens for _, tokens in expected]
        np.testing.assert_allclose([each.score for each in found], [score for score, _ in expected], rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(5, 40), st.integers(1, 12), ALPHAS, st.integers(1, 6), st.sampled_from([0.3, 1.5, 4.0]))
def test_no_beam_scores_lower_than_greedy_decoding(seed, size, limit, alpha, width, sharpness) -> None:
    decoder, limits = TableDecoder(8, size, seed, sharpness), np.full(8, limit)
    simple = greedy(decoder, sources(8), limits, alpha)
    found = beam_search(decoder, sources(8), limits, Beam(width, alpha))
    for one, (best,) in zip(simple, found, strict=True):
        assert best.score >= one.score


def test_the_greedy_path_is_kept_where_it_would_fall_out_of_the_beam() -> None:
    """There are tables in which the other beginnings look better for a while, and are worse in the end."""
    beam, limits, it_mattered = Beam(2, 1.0), np.array([8]), 0
    for seed in range(100):
        decoder = TableDecoder(1, 12, seed, 0.7)
        simple = greedy(decoder, sources(1), limits, beam.length_penalty)[0].score
        forgetful = _Search(decoder.begin(sources(1)), limits, beam)
        forgetful.greedy[:] = GONE
        tokens = np.array([[START_TOKEN]], np.int32)
        while len(tokens):
            log_probability, _, state = decoder.advance(tokens, forgetful.state)
            tokens = forgetful.go_on(log_probability[:, -1], state)
        it_mattered += forgetful.best[0].found[0].score < simple
        assert beam_search(decoder, sources(1), limits, beam)[0][0].score >= simple
    assert it_mattered > 3


@settings(max_examples=60, deadline=None)
@given(SEEDS, ALPHAS, st.integers(1, 5), st.integers(1, 5), st.data())
def test_any_order_and_batch_gives_what_one_at_a_time_gives(seed, alpha, width, n_best, data) -> None:
    decoder, number = TableDecoder(9, 15, seed, 2.5), 9
    beam, limits = Beam(width, alpha, min(n_best, width)), np.random.default_rng(seed).integers(1, 15, number)
    alone = [beam_search(decoder, sources(number)[[row]], limits[[row]], beam)[0] for row in range(number)]
    order = np.array(data.draw(st.permutations(range(number))))
    together = beam_search(decoder, sources(number)[order], limits[order], beam)
    for row, found in zip(order, together, strict=True):
        assert [each.score for each in found] == [each.score for each in alone[row]]
        for one, other in zip(found, alone[row], strict=True):
            np.testing.assert_array_equal(one.tokens, other.tokens)
    simple = greedy(decoder, sources(number)[order], limits[order])
    for row, found in zip(order, simple, strict=True):
        expected = greedy(decoder, sources(number)[[row]], limits[[row]])[0]
        assert found.score == expected.score and found.tokens.tolist() == expected.tokens.tolist()


@settings(max_examples=60, deadline=None)
@given(SEEDS, ALPHAS, st.integers(2, 6), st.integers(1, 10))
def test_the_best_few_are_sorted_distinct_and_scored_by_what_they_say(seed, alpha, width, limit) -> None:
    decoder = TableDecoder(4, 9, seed)
    for source, found in enumerate(beam_search(decoder, sources(4), np.full(4, limit), Beam(width, alpha, width))):
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True) and 1 <= len(found) <= width
        assert len({tuple(each.tokens) for each in found}) == len(found)
        for each in found:
            text = (*each.tokens.tolist(), *[END_TOKEN] * (len(each.tokens) < limit))
            assert len(text) <= limit and not {0, START_TOKEN} & {*text}
            assert each.log_probability == pytest.approx(decoder.log_probability(source, text), rel=1e-6)
            assert each.score == pytest.approx(each.log_probability / length_penalty(len(text), alpha))


@settings(max_examples=60, deadline=None)
@given(SEEDS, ALPHAS, st.integers(1, 4))
def test_stopping_early_changes_no_answer(seed, alpha, n_best) -> None:
    """A search that may not stop is one for so many answers that it never has them all."""
    decoder, limits = TableDecoder(5, 8, seed, 2.5), np.full(5, 12)
    few = beam_search(decoder, sources(5), limits, Beam(4, alpha, n_best))
    steps, decoder.calls = len(decoder.calls), []
    endless = beam_search(decoder, sources(5), limits, Beam(4, alpha, 10_000))
    assert steps <= len(decoder.calls) == 12
    for found, every in zip(few, endless, strict=True):
        assert [each.tokens.tolist() for each in found] == [each.tokens.tolist() for each in every[:n_best]]


def test_rows_of_sources_that_are_done_are_left_out() -> None:
    decoder = TableDecoder(30, 12, 1, 3.0)
    beam_search(decoder, sources(30), np.full(30, 25), Beam(4))
    assert decoder.calls[:2] == [30, 120] and decoder.calls[-1] < 60


@given(st.integers(0, 1000), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([None, 1, 3]))
@settings(max_examples=20, deadline=None)
def test_tokens_are_drawn_as_often_as_they_are_likely(seed, temperature, top_k) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(6))
    row = np.log(probability).astype(np.float32)
    expected = probability ** (1 / temperature)
    if top_k:
        expected[np.argsort(-probability)[top_k:]] = 0
    expected /= expected.sum()
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    found = drawn(np.tile(row, (len(uniforms), 1)), Sampling(temperature, top_k), uniforms)
    np.testing.assert_allclose(np.bincount(found, minlength=6) / len(uniforms), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("top_p", "allowed"),
    [(0.05, [2]), (0.4, [2]), (0.41, [2, 0]), (0.75, [2, 0, 3]), (0.9, [2, 0, 3]), (1.0, [0, 1, 2, 3])],
)
def test_of_a_share_of_the_probability_the_fewest_tokens_that_hold_it_are_drawn(top_p, allowed) -> None:
    probability = np.array([0.3, 0.08, 0.4, 0.22])
    uniforms = np.linspace(0, 1, 5000, endpoint=False)
    found = drawn(np.tile(np.log(probability), (5000, 1)), Sampling(top_p=top_p), uniforms)
    assert {*found.tolist()} == {*allowed}
    shares = np.bincount(found, minlength=4) / 5000
    expected = np.where(np.isin(range(4), allowed), probability, 0)
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-3)


def test_both_bounds_hold_at_once() -> None:
    row = np.log(np.array([[0.3, 0.08, 0.4, 0.22]]))
    found = {int(drawn(row, Sampling(top_k=3, top_p=0.9), np.array([u]))[0]) for u in np.linspace(0, 0.999, 500)}
    assert found == {2, 0, 3}  # of the three likeliest, all are needed for nine tenths of their .92


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_a_temperature_of_zero_is_greedy_and_a_seed_decides_the_rest(seed) -> None:
    decoder, limits = TableDecoder(6, 10, seed), np.full(6, 9)
    simple = greedy(decoder, sources(6), limits)
    cold = sample(decoder, sources(6), limits, Sampling(temperature=0))
    assert [each.tokens.tolist() for each in cold] == [each.tokens.tolist() for each in simple]
    sampling = Sampling(temperature=1.3, top_p=0.95, seed=seed)
    whole = sample(decoder, sources(6), limits, sampling)
    parts = [sample(decoder, sources(6)[[row]], limits[[row]], sampling, [row])[0] for row in range(6)]
    assert [each.tokens.tolist() for each in parts] == [each.tokens.tolist() for each in whole]
    for source, each in enumerate(whole):
        text = (*each.tokens.tolist(), *[END_TOKEN] * (len(each.tokens) < 9))
        assert each.score == pytest.approx(decoder.log_probability(source, text), rel=1e-6)


def test_other_seeds_draw_other_texts() -> None:
    decoder = TableDecoder(1, 10, 1)
    found = {tuple(sample(decoder, sources(1), np.array([9]), Sampling(seed=seed))[0].tokens) for seed in range(20)}
    assert len(found) > 5


def test_what_is_likely_of_a_given_text_is_what_is_read_of_it() -> None:
    decoder, rng = TableDecoder(3, 7, 5), np.random.default_rng(1)
    texts = rng.integers(4, 7, (3, 6)).astype(np.int32)
    lengths = np.array([6, 2, 0])
    previous, targets = np.zeros((3, 7), np.int32), np.full((3, 7), -1, np.int32)
    for row, length in enumerate(lengths):
        previous[row, : length + 1] = [START_TOKEN, *texts[row, :length]]
        targets[row, : length + 1] = [*texts[row, :length], END_TOKEN]
    found = nats(decoder, sources(3), previous, targets)
    for row, length in enumerate(lengths):
        expected = decoder.log_probability(row, (*texts[row, :length].tolist(), END_TOKEN))
        assert found[row].tolist() == pytest.approx([-expected, length + 1], rel=1e-6)
    assert read(decoder, sources(3), previous)[0].shape == (3, 7, 7)


def test_texts_become_rows_and_long_ones_come_last() -> None:
    rows = as_rows([np.array([4, 5], np.int32), np.array([], np.int32), np.array([6], np.int32)])
    assert rows.dtype == np.int32 and rows.tolist() == [[4, 5], [0, 0], [6, 0]]
    assert [places.tolist() for places in by_length(np.array([3, 1, 2, 1]), 3)] == [[1, 3, 2], [0]]


def test_a_search_is_a_beam_or_drawn() -> None:
    decoder, limits = TableDecoder(2, 8, 3), np.array([6, 6])
    assert len(search(decoder, sources(2), limits, Beam(3, n_best=2))[0]) == 2
    drawn_texts = search(decoder, sources(2), limits, Sampling(seed=4), [7, 3])
    expected = sample(decoder, sources(2), limits, Sampling(seed=4), [7, 3])
    assert [found[0].tokens.tolist() for found in drawn_texts] == [each.tokens.tolist() for each in expected]


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 4), st.sampled_from([3, 1024, 1025, 1040, 2047, 5000]), st.integers(1, 90))
def test_the_largest_are_found_wherever_they_are(seed, num_rows, number, count) -> None:
    values = np.random.default_rng(seed).normal(size=(num_rows, number)).astype(np.float32)
    values[:, : number // 3] = -np.inf
    count = min(count, number // 2)
    found = np.take_along_axis(values, largest(values, count), axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(values, axis=1)[:, number - count :])


def test_the_best_are_kept_in_their_order() -> None:
    best = Best(2)
    for score in (-3.0, -1.0, -1.0, -2.0):
        best.add(Hypothesis(np.array([len(best.found)]), score, score))
    assert [(each.score, each.tokens.tolist()) for each in best.found] == [
        (-1.0, [1]),
        (-1.0, [2]),
    ] and best.least == -1


def test_the_length_penalty_is_that_of_gnmt() -> None:
    np.testing.assert_allclose(length_penalty(np.array([1, 7]), 1.0), [1, 2])
    assert length_penalty(30, 0.0) == 1 and length_penalty(7, 0.6) == pytest.approx(2**0.6)
