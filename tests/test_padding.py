"""Padding changes nothing: not the loss, not its gradient, no answer and no metric, in the network or in its export."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from found import PARAMS
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import variant_block
from pipeline.dataset import Array, Arrays, Description
from pipeline.datasets import variable_lengths
from pipeline.models import recurrent
from pipeline.onnx_graph import write_graph
from pipeline.tasks import regression, sequence_labelling
from pipeline.views import VIEWS, ExampleSpec

VALUES, LABELS = VIEWS["sequence_to_values"], VIEWS["sequence_to_labels"]
STEPS = 9
PARAMETERS = variable_lengths.Parameters(steps=STEPS, shortest=6, features=3)
NETWORKS: dict[str, dict[str, Any]] = {
    "published": {"units": [5, 4, 1], "answer": "recurrent"},
    "bidirectional": {"units": [4], "bidirectional": True},
    "bidirectional_stacked": {"units": [4, 3], "bidirectional": True, "dense": [3]},
    "gru": {"units": [4, 3], "cell": "gru"},
    "simple_rnn": {"units": [4], "cell": "simple_rnn"},
    "peephole_lstm": {"units": [4], "cell": "peephole_lstm"},
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def drawn(number: int = 5) -> tuple[Arrays, Description]:
    """A few sequences, of which the longest is as long as the array."""
    arrays = variable_lengths.draw_split(PARAMETERS, number, np.random.default_rng(3))
    length = arrays["length"].copy()
    length[0] = STEPS
    known = (np.arange(STEPS)[None] < length[:, None])[..., None]
    arrays = {"x": np.where(known, arrays["x"], 0), "y": np.where(known, arrays["y"], 0), "length": length}
    arrays["x"][0] = variable_lengths.draw_split(PARAMETERS, 1, np.random.default_rng(4))["x"][0] + 0.5
    return arrays, variable_lengths.describe(PARAMETERS, arrays)


def padded(arrays: Arrays, extra: int, filling: float = 0.0) -> Arrays:
    """The same sequences in a longer array; `filling` is stored beyond the end of each."""
    longer = {name: np.pad(arrays[name], ((0, 0), (0, extra), (0, 0))) for name in ("x", "y")}
    beyond = np.arange(longer["x"].shape[1])[None] >= arrays["length"][:, None]
    for values in longer.values():
        values[beyond] = filling
    return {**longer, "length": arrays["length"]}


def network(name: str, spec: ExampleSpec, seed: int = 1) -> Any:
    model = recurrent.build(recurrent.Parameters(**NETWORKS[name]), spec)
    rng = np.random.default_rng(seed)
    model.set_weights([0.5 * rng.normal(size=weight.shape).astype(np.float32) for weight in model.weights])
    return model


def loss_and_gradient(model: Any, spec: ExampleSpec, inputs: Array, targets: Array) -> tuple[float, list[Array]]:
    import tensorflow as tf

    from pipeline.layers.answers import AnswerLoss

    with tf.GradientTape() as tape:
        loss = AnswerLoss(spec)(targets, model(inputs))
    found = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    return float(loss), [np.asarray(each) for each in found]


@pytest.mark.slow
@every_network
@pytest.mark.parametrize(("extra", "filling"), [(2, 0.0), (9, 99.0)])
def test_extra_padding_changes_nothing(keras: Any, name: str, extra: int, filling: float) -> None:
    arrays, description = drawn()
    longer = padded(arrays, extra, filling)
    spec = VALUES.spec(description, (STEPS, 3))
    model = network(name, spec)
    few, many = (VALUES.inputs(each, description) for each in (arrays, longer))
    asked, asked_of_many = (VALUES.targets(each, description) for each in (arrays, longer))
    assert np.isnan(many[:, STEPS:]).all() and many.shape[1] == STEPS + extra
    outputs, of_many = np.asarray(model(few)), np.asarray(model(many))
    known = np.arange(STEPS)[None] < arrays["length"][:, None]
    np.testing.assert_allclose(of_many[:, :STEPS][known], outputs[known], atol=1e-6)
    loss, gradient = loss_and_gradient(model, spec, few, asked)
    loss_of_many, gradient_of_many = loss_and_gradient(model, spec, many, asked_of_many)
    assert loss_of_many == pytest.approx(loss, abs=1e-6)
    for found, expected in zip(gradient_of_many, gradient, strict=True):
        assert np.isfinite(expected).all() and expected.any()
        np.testing.assert_allclose(found, expected, atol=1e-6)
    metrics = regression.measure(outputs, asked, description)
    assert regression.measure(of_many, asked_of_many, description) == pytest.approx(metrics, abs=1e-6)
    assert regression.predictions(of_many, asked_of_many, description) == regression.predictions(
        outputs, asked, description
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"published"}))
@pytest.mark.parametrize("extra", [1, 6])
def test_one_answer_is_that_of_the_last_real_step(keras: Any, name: str, extra: int) -> None:
    arrays, described = drawn()
    description = described.model_copy(update={"first_answer": 0})
    arrays = {**arrays, "y": arrays["y"][:, 0]}
    view = VIEWS["sequence_to_value"]
    model = network(name, view.spec(description, (STEPS, 3)))
    longer = {**arrays, "x": np.pad(arrays["x"], ((0, 0), (0, extra), (0, 0)))}
    outputs, of_many = (np.asarray(model(view.inputs(each, description))) for each in (arrays, longer))
    np.testing.assert_allclose(of_many, outputs, atol=1e-6)
    for row, length in enumerate(arrays["length"]):
        np.testing.assert_allclose(outputs[row], np.asarray(model(arrays["x"][row : row + 1, :length]))[0], atol=1e-6)
    with pytest.raises(ValueError, match="the last step is padding"):
        recurrent.build(recurrent.Parameters(units=[]), view.spec(description, (STEPS, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["published", "bidirectional", "gru"])
def test_each_sequence_is_answered_as_if_it_were_alone(keras: Any, name: str) -> None:
    """Steps of zeros among them, in the middle and at the end: what was measured is not what is padding."""
    arrays, description = drawn(3)
    steps = arrays["x"].copy()
    for row, length in enumerate(arrays["length"]):
        steps[row, [0, 3, length - 1]] = 0
    spec = VALUES.spec(description, (STEPS, 3))
    model = network(name, spec)
    outputs = np.asarray(model(VALUES.inputs({**arrays, "x": steps}, description)))
    for row, length in enumerate(arrays["length"]):
        alone = np.asarray(model(steps[row : row + 1, :length]))
        np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-6)
    moved = steps.copy()
    moved[0, STEPS - 1] = 1e-3  # the last real step of the longest one is read, though it is zero
    again = np.asarray(model(VALUES.inputs({**arrays, "x": moved}, description)))
    assert not np.array_equal(again[0, STEPS - 1], outputs[0, STEPS - 1])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(6, STEPS), min_size=2, max_size=2), st.floats(-1e6, 1e6, width=32), st.integers(0, 2**31))
def test_whatever_lies_beyond_the_end_is_not_read(lengths: list[int], filling: float, seed: int) -> None:
    arrays, description = drawn(2)
    arrays = {**arrays, "length": np.array(lengths)}
    noise = np.random.default_rng(seed).normal(size=arrays["x"].shape).astype(np.float32) * np.float32(filling)
    beyond = np.arange(STEPS)[None] >= arrays["length"][:, None]
    other = {**arrays, "x": np.where(beyond[..., None], noise, arrays["x"])}
    expected, found = (VALUES.inputs(each, description) for each in (arrays, other))
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[beyond]).all() and np.isfinite(found[~beyond]).all()


@pytest.mark.parametrize("value_loss", ["mse", "mae"])
def test_the_loss_counts_the_steps_from_the_first_answer_to_the_end(keras: Any, value_loss: str) -> None:
    from pipeline.layers.answers import AnswerLoss

    arrays, description = drawn()
    spec = VALUES.spec(description, (STEPS, 3))
    model = network("published", spec)
    inputs, targets = VALUES.inputs(arrays, description), VALUES.targets(arrays, description)
    outputs = np.asarray(model(inputs))
    errors = [
        outputs[row, step, 0] - arrays["y"][row, step, 0]
        for row, length in enumerate(arrays["length"])
        for step in range(description.first_answer, length)
    ]
    expected = np.mean(np.square(errors)) if value_loss == "mse" else np.mean(np.abs(errors))
    loss = AnswerLoss(spec, value_loss=value_loss)
    assert float(loss(targets, model(inputs))) == pytest.approx(expected, rel=1e-5)
    # Keras weighs losses by the mask of what they are given; none may reach it.
    model.compile(optimizer="sgd", loss=loss)
    assert model.test_on_batch(inputs, targets) == pytest.approx(expected, rel=1e-5)
    other = {**arrays, "y": arrays["y"] + 7 * (np.arange(STEPS) < description.first_answer)[None, :, None]}
    assert float(loss(VALUES.targets(other, description), model(inputs))) == pytest.approx(expected, rel=1e-5)


def test_labels_at_padded_steps_have_no_part_in_loss_and_accuracy(keras: Any) -> None:
    from pipeline.layers.answers import AnswerLoss
    from pipeline.training import _metrics

    arrays, described = drawn()
    description = described.model_copy(update={"classes": ["a", "b", "c"], "outputs": None})
    arrays = {**arrays, "y": np.random.default_rng(5).integers(0, 3, (5, STEPS)).astype(np.uint8)}
    spec = LABELS.spec(description, (STEPS, 3))
    model = network("gru", spec)
    inputs, targets = LABELS.inputs(arrays, description), LABELS.targets(arrays, description)
    outputs = np.asarray(model(inputs)).astype(np.float64)
    places = [(row, step) for row, length in enumerate(arrays["length"]) for step in range(5, length)]
    chosen = [outputs[row, step, arrays["y"][row, step]] for row, step in places]
    right = [outputs[row, step].argmax() == arrays["y"][row, step] for row, step in places]
    model.compile(optimizer="sgd", loss=AnswerLoss(spec), metrics=_metrics(spec.asks, model))
    found = model.test_on_batch(inputs, targets, return_dict=True)
    assert found["loss"] == pytest.approx(-np.mean(np.log(chosen)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(right))
    measured = sequence_labelling.measure(outputs, targets, description)
    assert measured["accuracy"] == pytest.approx(np.mean(right))
    whole = [all(right[i] for i, (row, _) in enumerate(places) if row == wanted) for wanted in range(5)]
    assert measured["sequence_accuracy"] == pytest.approx(np.mean(whole))


@pytest.mark.parametrize("name", ["published", "bidirectional", "gru", "peephole_lstm"])
def test_the_exported_graph_takes_padding_as_the_network_does(keras: Any, name: str, tmp_path: Path) -> None:
    arrays, description = drawn()
    spec = VALUES.spec(description, (STEPS, 3))
    model = network(name, spec)
    (exported,) = recurrent.graphs(recurrent.Parameters(**NETWORKS[name]), spec, model).values()
    write_graph(exported, tmp_path / "model.onnx", "value")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])

    def answers(inputs: Array) -> Array:
        (found,) = session.run(["value"], {session.get_inputs()[0].name: inputs})
        return np.asarray(found)

    inputs = VALUES.inputs(arrays, description)
    known = np.arange(STEPS)[None] < arrays["length"][:, None]
    outputs = answers(inputs)
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[known], np.asarray(model(inputs))[known], atol=1e-5)
    many = answers(VALUES.inputs(padded(arrays, 6), description))
    np.testing.assert_allclose(many[:, :STEPS][known], outputs[known], atol=1e-6)
    for row, length in enumerate(arrays["length"]):
        np.testing.assert_allclose(answers(inputs[row : row + 1, :length])[0], outputs[row, :length], atol=1e-6)


def test_the_published_network_has_its_128008_parameters(keras: Any) -> None:
    block = variant_block("variable_lengths_lstm", PARAMS)
    spec = ExampleSpec((None, 24), 1, "a value at each step", padded=True)
    model = recurrent.build(block.network, spec)
    assert model.count_params() == 128_008
    assert [layer.count_params() for layer in model.layers if layer.count_params()] == [78_336, 49_408, 264]
