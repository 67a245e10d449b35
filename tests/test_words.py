"""Layers over words, the strongest window and the mean, against their definitions; padding changes no answer."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.models import sentence_cnn
from pipeline.views import ExampleSpec

SIZE = 30
WIDE = sentence_cnn.Wide(longest=3, buckets=50, units=4)
TOKENS = np.array([[3, 4, 5, 6, 7, 8, 0, 0], [9, 2, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]], np.int32)


def network(**options: Any) -> Any:
    parameters = sentence_cnn.Parameters(embedding=5, filters=6, widths=[2, 3, 5], **options)
    return sentence_cnn.build(parameters, ExampleSpec((None,), 2, padded=True, vocabulary_size=SIZE))


@pytest.mark.parametrize("options", [{}, {"wide": WIDE}], ids=["narrow", "wide"])
def test_how_far_a_text_is_padded_changes_no_answer(keras: Any, options: dict[str, Any]) -> None:
    model = network(**options)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])  # no bias of zero, no padding that is small
    expected = np.asarray(model(TOKENS))
    further = np.pad(TOKENS, ((0, 0), (0, 9)))
    np.testing.assert_allclose(model(further), expected, atol=1e-6)
    for row, text in enumerate(TOKENS):
        alone = text[text > 0][None]  # the second is shorter than the widest window
        np.testing.assert_allclose(model(alone), expected[row : row + 1], atol=1e-6)


def test_the_strongest_window_is_that_of_a_convolution_and_a_pooling(keras: Any) -> None:
    from pipeline.layers.words import StrongestWindow

    vectors = np.random.default_rng(0).normal(size=(3, 8, 5)).astype(np.float32)
    layer, convolution = StrongestWindow(6, 3), keras.layers.Conv1D(6, 3, activation="relu")
    found, _ = layer(vectors, TOKENS), convolution(vectors)
    kernel, bias = np.asarray(layer.kernel), np.linspace(-1, 1, 6, dtype=np.float32)
    layer.set_weights([kernel, bias])
    convolution.set_weights([kernel, bias])
    found, windows = np.asarray(layer(vectors, TOKENS)), np.asarray(convolution(vectors))
    lengths = (TOKENS > 0).sum(axis=1)
    for row, length in enumerate(lengths):
        whole = max(int(length) - 3 + 1, 1)  # windows that lie in the text, or the first
        np.testing.assert_allclose(found[row], windows[row, :whole].max(axis=0), atol=1e-6)


def test_only_windows_of_words_are_learnt_from(keras: Any) -> None:
    import tensorflow as tf

    from pipeline.layers.words import StrongestWindow

    layer = StrongestWindow(6, 2)
    vectors = tf.Variable(np.random.default_rng(0).normal(size=(3, 8, 5)).astype(np.float32))
    with tf.GradientTape() as tape:
        answer = keras.ops.sum(layer(vectors, TOKENS))
    reached = np.abs(tape.gradient(answer, vectors).numpy()).sum(axis=2) > 0
    assert reached.any() and not (reached & (TOKENS == 0)).any()


def test_the_mean_of_words_is_that_of_words_pairs_and_triples(keras: Any) -> None:
    from pipeline.layers.words import FACTOR, MeanOfWords

    layer = MeanOfWords(SIZE, 3, 50, 4)
    found = np.asarray(layer(TOKENS))
    words, sequences = (np.asarray(weight) for weight in layer.get_weights())
    for row, text in enumerate(TOKENS):
        tokens = [int(token) for token in text if token]
        pairs = [(a * FACTOR + b) % 50 for a, b in pairwise(tokens)]
        triples = [(pair * FACTOR + c) % 50 for pair, c in zip(pairs, tokens[2:], strict=False)]
        vectors = [*words[tokens], *sequences[pairs], *sequences[triples]]
        np.testing.assert_allclose(found[row], np.mean(vectors, axis=0), atol=1e-6)


def test_what_is_left_out_of_the_mean_in_training_is_not_counted_either(keras: Any) -> None:
    from pipeline.layers.words import MeanOfWords

    layer = MeanOfWords(SIZE, 2, 50, 4, dropout=0.5)
    text = np.full((200, 9), 3, np.int32)
    layer(text)
    words, sequences = layer.get_weights()
    layer.set_weights([np.ones_like(words), np.ones_like(sequences)])
    np.testing.assert_allclose(layer(text, training=True), 1, atol=1e-6)
    layer.set_weights([words, sequences])
    assert np.asarray(layer(text, training=True)).std(axis=0).max() > 0
    assert np.asarray(layer(text)).std(axis=0).max() < 1e-6


def test_the_published_network_has_the_weights_of_its_layers(keras: Any) -> None:
    spec = ExampleSpec((None,), 2, padded=True, vocabulary_size=10_000)
    model = sentence_cnn.build(sentence_cnn.Parameters(), spec)
    convolutions = sum(width * 128 * 128 + 128 for width in (3, 4, 5))
    assert model.count_params() == 10_000 * 128 + convolutions + (3 * 128 * 2 + 2) == 1_477_762


def test_a_label_for_each_word_is_refused(keras: Any) -> None:
    spec = ExampleSpec((None,), 2, "a label at each step", padded=True, vocabulary_size=SIZE)
    with pytest.raises(ValueError, match="windows over a text answer but once; allowed: one label"):
        sentence_cnn.build(sentence_cnn.Parameters(), spec)


def test_words_are_dropped_whole_and_differ_from_text_to_text(keras: Any) -> None:
    model = network(embedding_dropout=0.5)
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    dropped = np.asarray(layer(np.ones((2, 40, 5), np.float32), training=True)) == 0
    assert (dropped.all(axis=2) == dropped.any(axis=2)).all() and 10 < dropped[..., 0].sum() < 70
    assert (dropped[0] != dropped[1]).any()


def test_a_wide_network_is_exported(keras: Any, tmp_path: Any) -> None:
    import onnxruntime

    from pipeline.onnx_graph import write_graph

    model = network(wide=WIDE, embedding_dropout=0.2, l2=0.01)
    write_graph(model, tmp_path / "model.onnx", "probability")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, len(given.shape)) == ("tokens", "tensor(int32)", 2)
    for tokens in (TOKENS, TOKENS[:1, :1], TOKENS[1:, :2]):
        np.testing.assert_allclose(session.run(None, {"tokens": tokens})[0], model(tokens), atol=1e-5)


def test_of_two_answers_one_is_learnt_at_a_time_and_both_are_given(keras: Any) -> None:
    from pipeline.layers.either import EitherAnswer

    layer, first, second = EitherAnswer(), np.zeros((400, 2), np.float32), np.ones((400, 2), np.float32)
    np.testing.assert_array_equal(layer(first, second), np.full((400, 2), 0.5))
    found = np.asarray(layer(first, second, training=True))
    assert (found[:, 0] == found[:, 1]).all() and set(np.unique(found)) == {0, 1}
    assert 150 < found[:, 0].sum() < 250
