"""Our recurrent loops against those of Keras: outputs, states and every gradient, with masks, states and directions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax

from pipeline.dataset import Array

UNITS, FEATURES = 4, 3
CELLS = ("lstm", "gru")
STEPS = (6, 20)  # below and above the length up to which the loop is unrolled
# Which of 6 (and, tiled, of 20) steps count in each of three sequences.
MASKS = {
    "none": None,
    "right padding": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]],
    "holes": [[1, 0, 1, 1, 0, 1], [1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 0]],
    "first step masked": [[0, 1, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]],
    "all of one masked": [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0]],
}


@dataclass(frozen=True)
class Setting:
    """How a layer is made and called."""

    cell: str
    steps: int = 6
    batch: int = 3
    mask: str = "none"
    initial: bool = False
    backwards: bool = False
    sequences: bool = True
    states: bool = True
    zeros: bool = False  # where a step does not count
    bidirectional: bool = False

    def __str__(self) -> str:
        shown = [self.cell, f"{self.batch}x{self.steps}", self.mask]
        names = ("initial", "backwards", "sequences", "states", "zeros", "bidirectional")
        return "-".join([*shown, *(name for name in names if getattr(self, name))])

    def known(self, batch: int) -> Array | None:
        """Which steps count [B, T]; the padding of longer sequences is as long as they are."""
        found = MASKS[self.mask]
        return None if found is None else np.repeat(np.array(found, bool), -(-self.steps // 6), 1)[:batch, : self.steps]


def settings() -> Iterator[Setting]:
    for cell, steps, mask, initial, backwards in product(CELLS, STEPS, MASKS, (False, True), (False, True)):
        yield Setting(cell, steps, mask=mask, initial=initial, backwards=backwards)
    for cell, mask, sequences, states in product(CELLS, ("none", "holes"), (False, True), (False, True)):
        yield Setting(cell, mask=mask, sequences=sequences, states=states)
    for cell, steps, mask, sequences in product(CELLS, STEPS, MASKS, (False, True)):
        yield Setting(cell, steps, mask=mask, sequences=sequences, states=False, bidirectional=True)
    for cell, sequences in product(CELLS, (False, True)):
        yield Setting(cell, mask="holes", zeros=True, sequences=sequences)
    for cell, steps, mask in product(CELLS, (1, *STEPS), ("none", "holes")):
        yield Setting(cell, steps, batch=1, mask=mask)


def kinds(cell: str) -> tuple[type, type]:
    """Our layer and that of Keras."""
    import keras

    from pipeline.layers.fast_gru import FastGRU
    from pipeline.layers.fast_lstm import FastLSTM

    return (FastLSTM, keras.layers.LSTM) if cell == "lstm" else (FastGRU, keras.layers.GRU)


def layer_of(kind: type, setting: Setting) -> Any:
    import keras

    options = {"return_sequences": setting.sequences, "return_state": setting.states}
    if setting.bidirectional:
        backward = kind(UNITS, go_backwards=True, **options)
        return keras.layers.Bidirectional(kind(UNITS, **options), backward_layer=backward)
    return kind(UNITS, go_backwards=setting.backwards, zero_output_for_mask=setting.zeros, **options)


def results(layer: Any, setting: Setting) -> list[Array]:
    """Outputs and states, then the gradients of a sum of all of them in inputs, initial states and weights."""
    import keras

    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(setting.batch, setting.steps, FEATURES)).astype(np.float32)
    known = setting.known(setting.batch)
    initial = [rng.normal(size=(setting.batch, UNITS)).astype(np.float32) for _ in range(2)]
    initial = initial[: 2 if setting.cell == "lstm" else 1] if setting.initial else []
    layer.build(inputs.shape)
    layer.set_weights([rng.normal(size=weight.shape).astype(np.float32) * 0.5 for weight in layer.weights])
    upstream = np.random.default_rng(2)

    def total(outputs: Any) -> Any:
        return sum(keras.ops.sum(each * upstream.normal(size=each.shape).astype(np.float32)) for each in outputs)

    options = {} if setting.bidirectional else {"initial_state": None}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        given = [tf.constant(each) for each in (inputs, *initial)]
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs = layer(given[0], mask=known, **options | ({"initial_state": given[1:]} if initial else {}))
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            aim = total(outputs)
        weights = [weight.value for weight in layer.trainable_weights]
        return [np.asarray(each) for each in (*outputs, *tape.gradient(aim, [*given, *weights]))]
    import jax

    def of(given: list[Any], values: list[Any]) -> Any:
        fixed = [variable.value for variable in layer.non_trainable_variables]
        named = options | ({"initial_state": given[1:]} if initial else {})
        outputs, _ = layer.stateless_call(values, fixed, given[0], mask=known, **named)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return total(outputs), outputs

    values = [weight.value for weight in layer.trainable_weights]
    (_, outputs), found = jax.value_and_grad(of, argnums=(0, 1), has_aux=True)([inputs, *initial], values)
    return [np.asarray(each) for each in (*outputs, *found[0], *found[1])]


def compare(setting: Setting) -> None:
    ours, theirs = (results(layer_of(kind, setting), setting) for kind in kinds(setting.cell))
    assert len(ours) == len(theirs)
    for mine, known in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, known, rtol=1e-5, atol=1e-5)


@pytest.fixture
def no_loop_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our layers must not go through Keras' loop; Keras' own still may."""
    for cell in CELLS:
        ours, theirs = kinds(cell)
        usual = theirs.inner_loop

        def of_keras_only(self: Any, *given: Any, ours: type = ours, usual: Any = usual, **named: Any) -> Any:
            assert not isinstance(self, ours), "our layer went through Keras' loop"
            return usual(self, *given, **named)

        monkeypatch.setattr(theirs, "inner_loop", of_keras_only)


@pytest.mark.parametrize("setting", settings(), ids=str)
def test_our_loop_computes_what_that_of_keras_computes(keras: Any, no_loop_of_keras: None, setting: Setting) -> None:
    compare(setting)


@pytest.mark.slow
def test_it_does_so_on_jax_too() -> None:
    """With an initial state and a masked first step Keras answers that state on JAX, zeros on TensorFlow, as we do."""
    code = (
        "from test_recurrent_layers import CELLS, Setting, compare\n"
        "for cell in CELLS:\n"
        "    compare(Setting(cell, mask='first step masked'))\n"
        "    compare(Setting(cell, mask='holes', initial=True))\n"
        "    compare(Setting(cell, 20, mask='holes', backwards=True))\n"
        "    compare(Setting(cell, 20, mask='right padding', states=False, bidirectional=True))\n"
    )
    run_on_jax(code)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_our_loop_are_the_slopes_of_its_outputs(keras: Any, cell: str, masked: bool) -> None:
    """Not what Keras says, but what the outputs do: each input moved by a little."""
    from pipeline.layers.fast_gru import gru_core
    from pipeline.layers.fast_lstm import lstm_core

    rng = np.random.default_rng(3)
    gates, core = (4, lstm_core(masked)) if cell == "lstm" else (3, gru_core(masked))
    bias = (gates * 2,) if cell == "lstm" else (2, gates * 2)
    shapes = [(3, 2, gates * 2), (2, gates * 2), bias, *[(2, 2)] * (gates - 2 if cell == "lstm" else 1)]
    given = [rng.normal(size=shape) * 0.7 for shape in shapes]
    mask = [np.array([[1, 0], [0, 1], [1, 1]], np.float64)[..., None]] if masked else []
    import tensorflow as tf

    upstream = [rng.normal(size=each.shape) for each in core(*map(tf.constant, given), *map(tf.constant, mask))]

    def total(values: list[Any]) -> Any:
        outputs = core(*values, *map(tf.constant, mask))
        return sum(tf.reduce_sum(each * above) for each, above in zip(outputs, upstream, strict=True))

    constants = [tf.constant(each) for each in given]
    with tf.GradientTape() as tape:
        tape.watch(constants)
        aim = total(constants)
    for place, found in enumerate(tape.gradient(aim, constants)):
        expected = np.zeros_like(given[place])
        for index in np.ndindex(*expected.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = [each.copy() for each in given]
                moved[place][index] += step
                sides.append(float(total([tf.constant(each) for each in moved])))
            expected[index] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("cell", CELLS)
def test_a_graph_for_any_number_of_steps_leaves_the_gradient_elsewhere_as_it_is(keras: Any, cell: str) -> None:
    import tensorflow as tf

    layer = kinds(cell)[0](UNITS, return_sequences=True)
    layer.build((None, None, FEATURES))
    weights = [weight.value for weight in layer.trainable_weights]

    def gradient(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(inputs) ** 2)
        return tape.gradient(total, weights)

    inputs = tf.constant(np.random.default_rng(6).normal(size=(3, 6, FEATURES)), tf.float32)
    expected = tf.function(gradient, input_signature=[tf.TensorSpec((None, None, FEATURES))])(inputs)
    for found, other in zip(gradient(inputs), expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_states_of_a_known_batch_begin_sequences_of_an_unknown_one(keras: Any, cell: str, masked: bool) -> None:
    import tensorflow as tf

    layer = kinds(cell)[0](UNITS, return_sequences=True)
    layer.build((None, None, FEATURES))
    inputs = tf.constant(np.random.default_rng(7).normal(size=(1, 20, FEATURES)), tf.float32)
    states = [tf.ones((1, UNITS))] * (2 if cell == "lstm" else 1)

    def outputs(given: Any) -> Any:
        mask = tf.reduce_any(given > -1, axis=-1) if masked else None
        return layer(given, initial_state=states, mask=mask)

    free = tf.function(outputs, input_signature=[tf.TensorSpec((None, None, FEATURES))])
    np.testing.assert_allclose(free(inputs), outputs(inputs), atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_have_the_names_and_shapes_of_keras(keras: Any, cell: str) -> None:
    found = []
    for kind in kinds(cell):
        layer = kind(UNITS, name="same")
        layer.build((None, None, FEATURES))
        found.append([(weight.path, weight.shape, str(weight.dtype)) for weight in layer.weights])
    assert found[0] == found[1] and len(found[0]) == 3


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_falls_in_training_only(keras: Any, no_loop_of_keras: None, cell: str) -> None:
    inputs = np.random.default_rng(4).normal(size=(5, 7, FEATURES)).astype(np.float32)
    ours, theirs = kinds(cell)
    layer, plain = ours(UNITS, dropout=0.5, seed=1), theirs(UNITS)
    for each in (layer, plain):
        each.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    expected = np.asarray(plain(inputs))
    np.testing.assert_allclose(layer(inputs), expected, atol=1e-6)
    np.testing.assert_allclose(layer(inputs, training=False), expected, atol=1e-6)
    assert not np.allclose(layer(inputs, training=True), expected, atol=1e-3)
    # One draw for all steps: with one feature, each sequence is read whole and doubled, or not at all.
    inputs = inputs[..., :1]
    layer, plain = ours(UNITS, dropout=0.5, seed=1), theirs(UNITS)
    for each in (layer, plain):
        each.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    doubled, nothing = np.asarray(plain(2 * inputs)), np.asarray(plain(0 * inputs))
    seen = np.asarray(layer(inputs, training=True))
    chosen = [
        "all" if np.allclose(row, whole, atol=1e-5) else "none" if np.allclose(row, empty, atol=1e-5) else "part"
        for row, whole, empty in zip(seen, doubled, nothing, strict=True)
    ]
    assert "part" not in chosen


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"unroll": True},
        {"reset_after": False},
    ],
    ids=str,
)
def test_unusual_cells_go_through_the_loop_of_keras(keras: Any, cell: str, options: dict[str, Any]) -> None:
    if "reset_after" in options and cell == "lstm":
        pytest.skip("an LSTM has no reset gate")
    inputs = np.random.default_rng(5).normal(size=(2, 5, FEATURES)).astype(np.float32)
    ours, theirs = (kind(UNITS, return_sequences=True, **options) for kind in kinds(cell))
    for layer in (ours, theirs):
        layer.build(inputs.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(inputs), theirs(inputs), atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_survives_being_saved_with_all_its_options(keras: Any, cell: str, tmp_path: Path) -> None:
    ours, _ = kinds(cell)
    steps = keras.Input((None, FEATURES))
    both = keras.layers.Bidirectional(ours(UNITS, return_sequences=True, dropout=0.1))(keras.layers.Masking()(steps))
    model = keras.Model(steps, ours(2, go_backwards=True)(both))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = np.random.default_rng(6).normal(size=(3, 5, FEATURES)).astype(np.float32)
    inputs[:, 3:] = 0
    np.testing.assert_array_equal(model.predict_on_batch(inputs), again.predict_on_batch(inputs))
    assert isinstance(again.layers[-1], ours) and again.layers[-1].go_backwards
