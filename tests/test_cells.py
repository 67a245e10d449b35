"""The cells by their equations, the biases they begin with, and a decoder that reads its own answers."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from pydantic import ValidationError

from pipeline.dataset import Array, Description
from pipeline.models import encoder_decoder, recurrent, tagger
from pipeline.onnx_graph import write_graph
from pipeline.views import VIEWS, ExampleSpec

UNITS, FEATURES = 3, 2
SEQUENCE = ExampleSpec((None, FEATURES), 2, "a value at each step")
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {"units": [5]},
    "chrono_lstm": {"units": [5], "longest_memory": 30},
    "gru": {"units": [5], "cell": "gru"},
    "simple_rnn": {"units": [5], "cell": "simple_rnn"},
    "peephole_lstm": {"units": [5], "cell": "peephole_lstm"},
    "stacked": {"units": [5, 4, 3]},
    "bidirectional_gru": {"units": [5, 4], "cell": "gru", "bidirectional": True},
    "bidirectional_peephole": {"units": [5], "cell": "peephole_lstm", "bidirectional": True},
    "recurrent_answer": {"units": [4, 2], "answer": "recurrent"},
    "no_memory": {"units": [], "dense": [4]},
}


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def peephole_steps(inputs: Array, weights: list[Array], hidden: Array, cell: Array) -> tuple[list[Array], Array]:
    """The equations of the paper, unit by unit, for one sequence [T, D]: the hidden states, and the last cell state."""
    kernel, recurrent_kernel, peephole, bias = (each.astype(np.float64) for each in weights)
    i, f, g, o = (slice(k * UNITS, (k + 1) * UNITS) for k in range(4))
    hiddens = []
    for x in inputs.astype(np.float64):
        z = x @ kernel + hidden @ recurrent_kernel + bias
        new_cell = np.zeros(UNITS)
        for unit in range(UNITS):
            opened = sigmoid(z[i][unit] + peephole[0, unit] * cell[unit])
            kept = sigmoid(z[f][unit] + peephole[1, unit] * cell[unit])
            new_cell[unit] = kept * cell[unit] + opened * np.tanh(z[g][unit])
        hidden = sigmoid(z[o] + peephole[2] * new_cell) * np.tanh(new_cell)
        cell = new_cell
        hiddens.append(hidden)
    return hiddens, cell


def random_weights(layer: Any, seed: int = 1) -> list[Array]:
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in layer.weights])
    return layer.get_weights()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_peephole_lstm_computes_its_equations(keras: Any, steps: int) -> None:
    from pipeline.layers.peephole_lstm import PeepholeLSTMCell

    layer = keras.layers.RNN(PeepholeLSTMCell(UNITS), return_sequences=True, return_state=True)
    layer.build((None, None, FEATURES))
    assert [w.shape for w in layer.weights] == [(FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (3, UNITS), (4 * UNITS,)]
    weights, rng = random_weights(layer), np.random.default_rng(2)
    inputs = rng.normal(size=(4, steps, FEATURES)).astype(np.float32)
    start = rng.normal(size=(2, 4, UNITS)).astype(np.float32)
    outputs, hidden, cell = (np.asarray(each) for each in layer(inputs, initial_state=list(start)))
    for row in range(4):
        hiddens, last_cell = peephole_steps(inputs[row], weights, start[0, row], start[1, row])
        np.testing.assert_allclose(outputs[row], hiddens, atol=1e-6)
        np.testing.assert_allclose(hidden[row], hiddens[-1], atol=1e-6)
        np.testing.assert_allclose(cell[row], last_cell, atol=1e-6)


def test_a_peephole_lstm_without_peepholes_is_an_lstm(keras: Any) -> None:
    from pipeline.layers.cells import recurrent_layer

    with_them, without = (recurrent_layer(cell, UNITS, fast=True) for cell in ("peephole_lstm", "lstm"))
    for layer in (with_them, without):
        layer.build((None, None, FEATURES))
    kernel, recurrent_kernel, peephole, bias = with_them.get_weights()
    assert not peephole.any()  # so that it begins as an LSTM does
    without.set_weights([kernel, recurrent_kernel, bias])
    inputs = np.random.default_rng(3).normal(size=(4, 6, FEATURES)).astype(np.float32)
    np.testing.assert_allclose(with_them(inputs), without(inputs), atol=1e-6)


def test_the_exported_peephole_lstm_computes_its_equations(keras: Any, tmp_path: Path) -> None:
    parameters = recurrent.Parameters(units=[UNITS], cell="peephole_lstm", answer="recurrent")
    spec = ExampleSpec((None, FEATURES), UNITS, "a value at each step")
    model = recurrent.build(parameters, spec)
    weights = random_weights(model)
    write_graph(recurrent.graphs(parameters, spec, model)["model"], tmp_path / "model.onnx", "value")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch, steps in ((1, 2), (3, 5)):
        inputs = np.random.default_rng(steps).normal(size=(batch, steps, FEATURES)).astype(np.float32)
        (found,) = session.run(["value"], {session.get_inputs()[0].name: inputs})
        expected = [peephole_steps(row, weights, np.zeros(UNITS), np.zeros(UNITS))[0] for row in inputs]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_saved_peephole_lstm_is_made_again_with_all_its_options(keras: Any) -> None:
    from pipeline.layers.cells import recurrent_layer

    layer = recurrent_layer("peephole_lstm", UNITS, fast=True, longest_memory=50, recurrent_gain=2.0)
    again = keras.layers.RNN.from_config(layer.get_config())
    again.build((None, None, FEATURES))
    _, recurrent_kernel, _, bias = again.get_weights()
    np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, 4 * np.eye(UNITS), atol=1e-5)
    np.testing.assert_array_equal(bias[:UNITS], -bias[UNITS : 2 * UNITS])
    assert bias[:UNITS].any()


@pytest.mark.parametrize("longest", [3, 100])
def test_chrono_biases_are_logarithms_of_uniform_times(keras: Any, longest: int) -> None:
    from pipeline.layers.initial_bias import ChronoBias, ChronoUpdateBias

    units = 4000
    of_i, forget, of_g, of_o = np.asarray(ChronoBias(longest)((4 * units,))).reshape(4, units)
    np.testing.assert_array_equal(of_i, -forget)
    assert not of_g.any() and not of_o.any()
    update, *others = np.asarray(ChronoUpdateBias(longest)((2, 3 * units))).reshape(6, units)
    assert not np.any(others)
    for gate in (forget, update):
        _uniform_up_to(longest, np.exp(gate.astype(np.float64)))


def _uniform_up_to(longest: int, times: np.ndarray) -> None:
    assert times.min() >= 1 - 1e-6 and times.max() <= longest - 1 + 1e-4
    counts, _ = np.histogram(times, bins=10, range=(1, longest - 1))
    expected = len(times) / 10
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # chi-squared, nine degrees, once in a thousand


@pytest.mark.parametrize("cell", ["lstm", "peephole_lstm"])
def test_chrono_initialisation_reaches_the_layers(keras: Any, cell: str) -> None:
    parameters = recurrent.Parameters(units=[50, 50], cell=cell, longest_memory=20, bidirectional=True)
    model = recurrent.build(parameters, SEQUENCE)
    biases = [weight.numpy() for weight in model.weights if weight.shape == (4 * 50,)]
    assert len(biases) == 4 and len({bias.tobytes() for bias in biases}) == 4  # each drawn for itself
    for bias in biases:
        np.testing.assert_array_equal(bias[:50], -bias[50:100])
        assert bias[50:100].min() >= 0 and bias[50:100].max() <= np.log(19) + 1e-5 and not bias[100:].any()


@pytest.mark.parametrize("cell", ["lstm", "peephole_lstm"])
def test_without_it_they_begin_as_those_of_keras(keras: Any, cell: str) -> None:
    from pipeline.layers.cells import recurrent_layer

    usual, known = recurrent_layer(cell, UNITS, fast=True), keras.layers.LSTM(UNITS)
    for layer in (usual, known):
        layer.build((None, None, FEATURES))
    np.testing.assert_array_equal(usual.get_weights()[-1], known.get_weights()[-1])


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn", "peephole_lstm"])
def test_the_gain_is_that_of_the_recurrent_weights(keras: Any, cell: str) -> None:
    from pipeline.layers.cells import recurrent_layer

    layer = recurrent_layer(cell, UNITS, fast=True, recurrent_gain=1.5)
    layer.build((None, None, FEATURES))
    weights = layer.get_weights()[1]
    np.testing.assert_allclose(weights @ weights.T, 1.5**2 * np.eye(UNITS), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_export_of_every_cell_computes_what_the_network_computes(keras: Any, name: str, tmp_path: Path) -> None:
    parameters = recurrent.Parameters(**NETWORKS[name])
    model = recurrent.build(parameters, SEQUENCE)
    (exported,) = recurrent.graphs(parameters, SEQUENCE, model).values()
    assert not any("fast" in layer.name for layer in exported.layers)
    write_graph(exported, tmp_path / "model.onnx", "value")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch, steps in ((1, 1), (4, 6)):
        inputs = np.random.default_rng(steps).normal(size=(batch, steps, FEATURES)).astype(np.float32)
        (found,) = session.run(["value"], {session.get_inputs()[0].name: inputs})
        np.testing.assert_allclose(found, model(inputs), atol=1e-5)


def test_a_decoder_with_feedback_reads_its_own_answers(keras: Any) -> None:
    parameters = encoder_decoder.Parameters(units=[UNITS], decoder="feedback")
    model = encoder_decoder.build(parameters, ExampleSpec((None, FEATURES), FEATURES, "a value at each step", 4))
    random_weights(model)
    reader = next(layer for layer in model.layers if "lstm" in layer.name)
    answer = next(layer for layer in model.layers if "feedback" in layer.name).answer
    steps = np.random.default_rng(4).normal(size=(2, 5, FEATURES)).astype(np.float32)
    found = np.asarray(model(steps))
    assert found.shape == (2, 4, FEATURES)
    known = keras.layers.LSTM(UNITS)
    known.build(steps.shape)
    known.set_weights(reader.get_weights())
    # The same as reading the sequence with the answers so far at its end, from the beginning each time.
    for place in range(4):
        read = np.concatenate([steps, found[:, :place]], axis=1)
        np.testing.assert_allclose(found[:, place], answer(known(read)), atol=1e-5)


FORECAST = ExampleSpec((None, 3), 2, "a value at each step", 4, continues=(2, 0))


def decoder_of(keras: Any, **options: Any) -> Any:
    model = encoder_decoder.build(encoder_decoder.Parameters(**options), FORECAST)
    random_weights(model)
    return model


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("steps", [2, 4, 7])
def test_a_decoder_from_states_begins_where_the_encoder_ends_and_reads_the_past_again(
    keras: Any, cell: str, steps: int
) -> None:
    """Against the layers of Keras called one after the other, as the published network is written."""
    model = decoder_of(keras, cell=cell, units=[5, 4], decoder="states", input_dense=6)
    kind = keras.layers.LSTM if cell == "lstm" else keras.layers.GRU
    made = sorted(model.layers, key=lambda layer: int(re.sub(r"\D", "", layer.name) or 0))  # counted as they are made
    stacks = [layer.get_weights() for layer in made if cell in layer.name]
    answer, dense = (layer.get_weights() for layer in made if "dense" in layer.name)

    def known(found: list[Array], inputs: Array, state: Any) -> tuple[Array, Any]:
        layer = kind(found[1].shape[0], return_sequences=True, return_state=True)
        layer.build(inputs.shape)
        layer.set_weights(found)
        outputs, *after = layer(inputs, initial_state=state)
        return np.asarray(outputs), after

    inputs = np.random.default_rng(steps).normal(size=(2, steps, 3)).astype(np.float32)
    read, states = np.maximum(inputs @ dense[0] + dense[1], 0), []
    for found in stacks[:2]:
        read, state = known(found, read, None)
        states.append(state)
    go = np.zeros((2, 4, 3), np.float32)
    decoded = np.concatenate([go, inputs], axis=1)[:, -5:-1]  # with as many steps as answers: go, then all but the last
    for found, state in zip(stacks[2:], states, strict=True):
        decoded, _ = known(found, decoded, state)
    np.testing.assert_allclose(model(inputs), decoded @ answer[0] + answer[1], atol=1e-5)


def test_all_answers_at_once_are_one_map_of_the_last_output(keras: Any) -> None:
    model = decoder_of(keras, cell="gru", units=[5], decoder="at_once")
    inputs = np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    gru, dense = (next(layer for layer in model.layers if name in layer.name) for name in ("gru", "dense"))
    assert dense.units == 8
    expected = np.asarray(dense(gru(inputs))).reshape(2, 4, 2)
    np.testing.assert_allclose(model(inputs), expected, atol=1e-6)


@pytest.mark.parametrize("decoder", ["repeat", "states", "feedback"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_more_steps_than_are_unrolled_are_answered_for_one_sequence_as_for_several(
    keras: Any, decoder: str, cell: str
) -> None:
    spec = ExampleSpec((None, 2), 2, "a value at each step", 20)
    model = encoder_decoder.build(
        encoder_decoder.Parameters(cell=cell, units=[5], decoder=decoder),  # type: ignore[arg-type]
        spec,
    )
    inputs = np.random.default_rng(1).normal(size=(3, 20, 2)).astype(np.float32)
    together = model.predict_on_batch(inputs)
    for row in range(3):
        np.testing.assert_allclose(model.predict_on_batch(inputs[row : row + 1])[0], together[row], atol=1e-5)


@pytest.mark.parametrize("decoder", ["repeat", "states", "at_once"])
def test_differences_are_added_to_the_last_step_of_what_goes_on(keras: Any, decoder: str) -> None:
    plain = decoder_of(keras, units=[5], decoder=decoder)
    model = encoder_decoder.build(
        encoder_decoder.Parameters(units=[5], decoder=decoder, differences=True),
        FORECAST,  # type: ignore[arg-type]
    )
    model.set_weights(plain.get_weights())
    inputs = np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(model(inputs), plain(inputs) + inputs[:, -1:, [2, 0]], atol=1e-6)


def test_l2_counts_the_squares_of_all_weights_but_the_biases(keras: Any) -> None:
    options = {"cell": "gru", "units": [5, 4], "decoder": "states", "input_dense": 6}
    model = decoder_of(keras, l2=0.01, **options)
    model(np.ones((1, 4, 3), np.float32))
    squares = sum(float(np.sum(np.square(weight))) for weight in model.weights if "bias" not in weight.path)
    assert float(sum(model.losses)) == pytest.approx(0.01 * squares, rel=1e-5)
    assert decoder_of(keras, **options).losses == []


@pytest.mark.parametrize("options", [{"decoder": "states"}, {"decoder": "at_once", "differences": True}], ids=str)
def test_the_export_of_every_decoder_computes_what_the_network_computes(
    keras: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    parameters = encoder_decoder.Parameters(cell="gru", units=[5, 4], input_dense=6, l2=0.1, **options)
    model = encoder_decoder.build(parameters, FORECAST)
    random_weights(model)
    (exported,) = encoder_decoder.graphs(parameters, FORECAST, model).values()
    write_graph(exported, tmp_path / "model.onnx", "value")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    nodes = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert nodes.count("GRU") == (4 if options["decoder"] == "states" else 2) and "Loop" not in nodes
    for batch, steps in ((1, 1), (3, 4), (2, 9)):
        inputs = np.random.default_rng(steps).normal(size=(batch, steps, 3)).astype(np.float32)
        (found,) = session.run(["value"], {session.get_inputs()[0].name: inputs})
        np.testing.assert_allclose(found, model(inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "spec", "message"),
    [
        (
            {"cell": "simple_rnn", "longest_memory": 5},
            SEQUENCE,
            "longest_memory is 5; allowed with cell simple_rnn: none",
        ),
        ({"filters": [3]}, SEQUENCE, "filters shorten the sequence; allowed: model encoder_decoder"),
        ({}, ExampleSpec((None, 1), 1, "a value at each step", 4), "4 answers are asked for; allowed: model encoder"),
        ({"filters": [3]}, ExampleSpec((None, 1), 1, "one value", padded=True), "a convolution knows no end"),
        ({"answer": "recurrent"}, SEQUENCE, "answer is 'recurrent', with 3 units; allowed: 2"),
        (
            {"units": []},
            ExampleSpec((None, 1), 1, "one value", padded=True),
            "the last step is padding; allowed: 1 lay",
        ),
        ({"units": [], "dense": [3]}, ExampleSpec((None, 1), 2, "one label", padded=True), "the last step is padding"),
        (
            {"filters": [3, 3, 3]},
            ExampleSpec((None, 1), 1, "one value", num_steps=7),
            "3 poolings of 2 leave nothing of 7 steps; allowed: fewer filters",
        ),
        (
            {"bidirectional": True},
            ExampleSpec((None, 1), 1, "a value at each step", later_steps_answer=True),
            "reads the answers to each step in the steps after it; allowed: one direction",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(
    keras: Any, options: dict[str, Any], spec: ExampleSpec, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        recurrent.build(recurrent.Parameters(**{"units": [3]} | options), spec)


def test_what_reads_ahead_may_do_so_where_the_answer_is_not_ahead(keras: Any) -> None:
    both_ways = recurrent.Parameters(units=[3], bidirectional=True)
    for asks in ("a label at each step", "one value"):
        recurrent.build(both_ways, ExampleSpec((None, 1), 2, asks, later_steps_answer=asks == "one value"))
    eight_steps = ExampleSpec((None, 1), 1, "one value", num_steps=8)
    recurrent.build(recurrent.Parameters(units=[3], filters=[3, 3, 3]), eight_steps)


def test_no_network_may_read_both_ways_where_the_next_symbol_is_asked_for(keras: Any) -> None:
    spec = VIEWS["one_hot"].spec(Description(text="", layout="symbols", vocabulary=["a", "b"]), (5,))
    assert spec.num_steps == 4
    with pytest.raises(ValueError, match="allowed: one direction"):
        recurrent.build(recurrent.Parameters(units=[3], bidirectional=True), spec)


def test_no_tagger_may_read_the_characters_that_it_is_asked_for(keras: Any) -> None:
    spec = VIEWS["next_symbols"].spec(Description(text="", layout="symbols", vocabulary=["a", "b"]), (5,))
    with pytest.raises(ValueError, match="in the steps after it; allowed: model language_model"):
        tagger.build(tagger.Parameters(embedding=3, units=3), spec)


def test_longest_memory_is_refused_when_params_yaml_is_read() -> None:
    with pytest.raises(ValidationError, match="longest_memory is 5; allowed with cell simple_rnn: none"):
        recurrent.Parameters(units=[3], cell="simple_rnn", longest_memory=5)


@pytest.mark.parametrize(
    ("options", "spec", "message"),
    [
        ({}, ExampleSpec((None, 1), 2), "one label is asked for; allowed: a number of steps"),
        ({}, ExampleSpec((None, 1), 1, "a value at each step"), "allowed: a number of steps to answer"),
        ({"decoder": "feedback"}, ExampleSpec((None, 2), 3, "one value"), "allowed: as many features as answers"),
        ({"decoder": "feedback", "units": [3, 3]}, ExampleSpec((None, 1), 3, "one value"), "one layer of units"),
        ({"decoder": "feedback", "units": []}, ExampleSpec((None, 1), 3, "one value"), "one layer of units"),
        ({"decoder": "feedback", "differences": True}, FORECAST, "reads its answers as steps; allowed: differences"),
        ({"decoder": "states", "units": []}, FORECAST, "begins where the encoder has ended; allowed: one layer"),
        ({"decoder": "states"}, replace(FORECAST, padded=True), "reads the past again; allowed: sequences of equal"),
        ({"differences": True}, replace(FORECAST, continues=()), "allowed: with a view whose answers continue"),
    ],
)
def test_decoders_that_cannot_be_are_refused(
    keras: Any, options: dict[str, Any], spec: ExampleSpec, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        encoder_decoder.build(encoder_decoder.Parameters(**{"units": [3], **options}), spec)
