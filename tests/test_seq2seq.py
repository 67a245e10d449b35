"""Networks that write a text: what padding changes (nothing), teacher forcing, input feeding, and their exports."""

import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from jax_process import run_on_jax
from pydantic import ValidationError

from pipeline.batches import Batches
from pipeline.dataset import Array, Description, TextAnswers
from pipeline.decoding.forced import read
from pipeline.errors import StageFailure
from pipeline.files import write_json
from pipeline.layers.decoder_parameters import DecoderParameters
from pipeline.models import captioner, seq2seq
from pipeline.onnx_graph import write_graph
from pipeline.runtime import MANIFEST_FILE, Export, Manifest
from pipeline.stages.export import LARGEST_DIFFERENCE, check_export
from pipeline.training import Training, fit
from pipeline.views import VIEWS, ExampleSpec

SOURCES, TARGETS = 13, 11  # sizes of the vocabularies
START, END = 2, 3
TEXTS = ExampleSpec((None,), TARGETS, "a text", vocabulary_size=SOURCES, padded=True)
IMAGES = ExampleSpec((12, 10, 3), TARGETS, "a text")
CLIPS = ExampleSpec((5, 12, 10, 1), TARGETS, "a text")
LOOK = {"embedding": 5, "filters": [4, 3]}


class Network(NamedTuple):
    """An architecture, its parameters, and what it sees."""

    architecture: ModuleType
    parameters: Any
    spec: ExampleSpec

    def build(self) -> Any:
        """The network with weights that are large enough to tell one input from another."""
        model = self.architecture.build(self.parameters, self.spec)
        rng = np.random.default_rng(1)
        for weight in model.trainable_weights:
            weight.assign(0.5 * rng.normal(size=weight.shape).astype(np.float32))
        return model


def text(**parameters: Any) -> Network:
    return Network(seq2seq, seq2seq.Parameters(**({"units": [4], "embedding": 5} | parameters)), TEXTS)


def caption(spec: ExampleSpec, **parameters: Any) -> Network:
    return Network(captioner, captioner.Parameters(**({"units": [4]} | LOOK | parameters)), spec)


NETWORKS = {
    "none": text(),
    "none_gru": text(cell="gru", units=[4, 3]),
    "none_bidirectional": text(bidirectional=True, units=[4, 3]),
    "dot": text(attention="dot", units=[3, 4]),
    "general": text(attention="general", cell="gru"),
    "scaled": text(attention="scaled", units=[4, 4], bidirectional=True),
    "bahdanau": text(attention="bahdanau", bidirectional=True, cell="gru", units=[4, 3]),
    "tied": text(attention="scaled", tied=True),
    "tied_none": text(tied=True, units=[5]),
    "feeding": text(attention="scaled", input_feeding=True, units=[4, 3], bidirectional=True),
    "feeding_gru_tied": text(attention="bahdanau", input_feeding=True, cell="gru", tied=True),
    "image": caption(IMAGES, attention="bahdanau", units=[4, 3]),
    "image_none": caption(IMAGES, cell="gru"),
    "image_feeding": caption(IMAGES, attention="general", input_feeding=True),
    "clip": caption(CLIPS, attention="scaled", units=[4, 3]),
}
every_network = pytest.mark.parametrize("name", NETWORKS)
of_texts = pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.spec is TEXTS])


class Examples(NamedTuple):
    """What is read, the tokens so far, and those asked for."""

    inputs: Array
    previous: Array
    targets: Array


def examples(spec: ExampleSpec, number: int = 4, seed: int = 3) -> Examples:
    """Texts of different lengths, of which the longest fills its array."""
    rng = np.random.default_rng(seed)
    longest = 6
    tokens = rng.integers(4, TARGETS, (number, longest)).astype(np.int32)
    lengths = np.array([longest, 1, 3, 0, *rng.integers(0, longest, number)])[:number]
    within = np.arange(longest + 1)[None] <= lengths[:, None]
    after = np.pad(tokens, ((0, 0), (0, 1)))
    after[np.arange(number), lengths] = END
    previous = np.where(within, np.pad(tokens, ((0, 0), (1, 0)), constant_values=START), 0)
    if spec is TEXTS:
        inputs = rng.integers(1, SOURCES, (number, 7)).astype(np.int32)
        ends = np.array([7, 4, 1, 5, *rng.integers(1, 7, number)])[:number]
        inputs = np.where(np.arange(7)[None] < ends[:, None], inputs, 0).astype(np.int32)
    else:
        inputs = rng.normal(size=(number, *(axis or 5 for axis in spec.input_shape))).astype(np.float32)
    return Examples(inputs, previous.astype(np.int32), np.where(within, after, -1).astype(np.int32))


def wider(given: Examples, source: int, target: int) -> Examples:
    """The same texts in wider arrays."""
    inputs = np.pad(given.inputs, ((0, 0), (0, source)))
    targets = np.pad(given.targets, ((0, 0), (0, target)), constant_values=-1)
    return Examples(inputs, np.pad(given.previous, ((0, 0), (0, target))), targets)


def loss_and_gradient(network: Network, model: Any, given: Examples) -> tuple[float, list[Array]]:
    import tensorflow as tf

    loss = network.architecture.loss(network.spec, 0.1)
    with tf.GradientTape() as tape:
        value = loss(given.targets, model([given.inputs, given.previous]))
    found = tape.gradient(value, [weight.value for weight in model.trainable_weights])
    return float(value), [tf.convert_to_tensor(each).numpy() for each in found]


@pytest.mark.slow
@of_texts
@pytest.mark.parametrize(("source", "target"), [(3, 0), (0, 4), (9, 17)])
def test_padding_changes_neither_answer_nor_loss_nor_gradient(keras: Any, name: str, source: int, target: int) -> None:
    network, few = NETWORKS[name], examples(TEXTS)
    model, many = network.build(), wider(few, source, target)
    logits, of_many = (np.asarray(model([each.inputs, each.previous])) for each in (few, many))
    asked = few.targets >= 0
    np.testing.assert_allclose(of_many[:, : asked.shape[1]][asked], logits[asked], atol=1e-6)
    loss, gradient = loss_and_gradient(network, model, few)
    loss_of_many, gradient_of_many = loss_and_gradient(network, model, many)
    assert loss_of_many == pytest.approx(loss, abs=1e-6)
    for found, expected in zip(gradient_of_many, gradient, strict=True):
        assert np.isfinite(expected).all() and expected.any()
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@every_network
def test_each_text_is_answered_as_if_it_were_alone(keras: Any, name: str) -> None:
    network = NETWORKS[name]
    model, given = network.build(), examples(network.spec)
    logits = np.asarray(model([given.inputs, given.previous]))
    for row in range(len(logits)):
        read = given.inputs[row : row + 1]
        read = read[:, : np.count_nonzero(read)] if network.spec is TEXTS else read
        number = np.count_nonzero(given.targets[row] >= 0)
        alone = np.asarray(model([read, given.previous[row : row + 1, :number]]))
        np.testing.assert_allclose(alone[0], logits[row, :number], atol=1e-6)


def exported(network: Network, model: Any, folder: Path) -> Export:
    graphs = network.architecture.graphs(network.parameters, network.spec, model)
    for name, graph in graphs.items():
        write_graph(graph, folder / f"{name}.onnx", "unused")
    answers = TextAnswers(vocabulary=["<pad>", "<unk>", "<s>", "</s>", *"abcdefg"], tokenizer="words")
    manifest = Manifest(
        variant="a",
        dataset="a",
        view="text_to_text",
        task="translation",
        model="seq2seq",
        num_parameters=model.count_params(),
        fingerprint="none",
        description=Description(text="", layout="texts", answers=answers),
        stored_shape=[7],
        graphs={name: f"{name}.onnx" for name in graphs},
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())
    return Export(folder)


@pytest.mark.slow
@every_network
def test_the_export_writes_what_the_network_does_step_by_step_and_at_once(
    keras: Any, name: str, tmp_path: Path
) -> None:
    network = NETWORKS[name]
    model, given = network.build(), examples(network.spec, number=5)
    export = exported(network, model, tmp_path)
    feeds = network.parameters.input_feeding
    assert export.translator.decoder.step_by_step is feeds  # type: ignore[attr-defined]
    inputs = (given.inputs, given.previous)
    assert check_export(export, network.architecture, None, network.spec, model, inputs) < LARGEST_DIFFERENCE  # type: ignore[arg-type]
    logits = np.asarray(model([given.inputs, given.previous]), dtype=np.float64)
    expected = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    for at_once in [1] if feeds else [1, 2, given.previous.shape[1]]:
        found, _ = read(export.translator.decoder, given.inputs, given.previous, at_once)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    weight = next(weight for weight in model.trainable_weights if TARGETS in weight.shape)
    weight.assign(weight + np.linspace(0.1, 1, weight.shape[-1], dtype=np.float32))
    with pytest.raises(StageFailure, match="the export differs from the network by"):
        check_export(export, network.architecture, None, network.spec, model, inputs)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaled", "bahdanau", "feeding", "image"])
def test_the_attention_of_an_export_is_shares_of_what_was_read(keras: Any, name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    given = examples(network.spec)
    export = exported(network, network.build(), tmp_path)
    encoder, decoder = export.session("encoder"), export.session("decoder")
    names = [output.name for output in encoder.get_outputs()]
    encoded = dict(zip(names, encoder.run(None, {encoder.get_inputs()[0].name: given.inputs}), strict=True))
    needed = {each.name: encoded.get(each.name) for each in decoder.get_inputs()}
    (shares,) = decoder.run(["attention"], needed | {"previous": given.previous[:, :1]})
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)
    assert not shares[:, 0][encoded["memory_mask"] == 0].any()
    real = given.inputs != 0 if network.spec is TEXTS else np.ones(encoded["memory"].shape[:2])
    np.testing.assert_array_equal(encoded["memory_mask"], real)
    kinds = [node.op_type for node in onnx.load(tmp_path / "decoder.onnx").graph.node]
    cell = network.parameters.cell.upper()
    assert [kind for kind in kinds if kind in (cell, "Loop", "Scan")] == [cell] * len(network.parameters.units)


def test_a_sentence_without_words_is_answered_with_numbers(keras: Any, tmp_path: Path) -> None:
    network = NETWORKS["scaled"]
    model, given = network.build(), examples(TEXTS)
    nothing = np.zeros_like(given.inputs)
    logits = np.asarray(model([nothing, given.previous]), dtype=np.float64)
    assert np.isfinite(logits).all()
    found, _ = read(exported(network, model, tmp_path).translator.decoder, nothing, given.previous, 1)
    np.testing.assert_allclose(found, logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)), atol=1e-5)


def test_input_feeding_is_its_equations(keras: Any) -> None:
    """Section 3.3 of Luong et al. (2015) step by step in NumPy: an LSTM that reads [y; h~], then attention by `dot`."""
    network = text(attention="dot", input_feeding=True)
    model, given = network.build(), examples(TEXTS, number=2)
    weights = {weight.path: np.asarray(weight, np.float64) for weight in model.trainable_weights}
    of_source = next(value for value in weights.values() if value.shape == (SOURCES, 5))
    of_target, output = (next(v for v in weights.values() if v.shape == s) for s in ((TARGETS, 5), (4, TARGETS)))
    (combine,) = (value for value in weights.values() if value.shape == (8, 4))
    gates = {
        width: [
            next(w for path, w in weights.items() if path.rsplit("/", 1)[0] == cell and path.endswith(f"/{part}"))
            for part in ("kernel", "recurrent_kernel", "bias")
        ]
        for cell, width in (
            (path.rsplit("/", 1)[0], value.shape[0])
            for path, value in weights.items()
            if path.endswith("/kernel") and value.shape in ((5, 16), (9, 16))
        )
    }

    def lstm(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        kernel, recurrent, bias = gates[len(x)]
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        return o * np.tanh(c), c

    logits = np.asarray(model([given.inputs, given.previous]))
    for row in range(2):
        h, c, memory = np.zeros(4), np.zeros(4), []
        for word in given.inputs[row, : np.count_nonzero(given.inputs[row])]:
            h, c = lstm(of_source[word], h, c)
            memory.append(h)
        fed = np.zeros(4)
        for step in range(np.count_nonzero(given.targets[row] >= 0)):
            h, c = lstm(np.concatenate([of_target[given.previous[row, step]], fed]), h, c)
            shares = np.exp([h @ s for s in memory])
            context = shares / shares.sum() @ np.array(memory)
            fed = np.tanh(np.concatenate([context, h]) @ combine)
            np.testing.assert_allclose(logits[row, step], fed @ output, atol=1e-5)


def test_a_tied_network_has_the_vectors_of_its_tokens_once(keras: Any) -> None:
    tied, untied = (text(attention="scaled", tied=tied, units=[5]) for tied in (True, False))
    assert untied.build().count_params() - tied.build().count_params() == TARGETS * 5
    model, given = tied.build(), examples(TEXTS)
    assert sum(tuple(weight.shape) == (TARGETS, 5) for weight in model.trainable_weights) == 1
    _, gradient = loss_and_gradient(tied, model, given)
    place = next(k for k, weight in enumerate(model.trainable_weights) if tuple(weight.shape) == (TARGETS, 5))
    unread = sorted(set(range(TARGETS)) - set(given.previous.ravel().tolist()))
    assert unread and gradient[place][unread].any()  # as an answer each token has its part


def test_the_published_size_has_its_2495489_parameters(keras: Any) -> None:
    spec = ExampleSpec((None,), 5000, "a text", vocabulary_size=5000, padded=True)
    published = {"units": [128, 128], "embedding": 128, "dropout": 0.2}
    lstm, words = 4 * (2 * 128 * 128 + 128), 5000 * 128
    counts = {"none": 0, "dot": 256 * 128, "general": 384 * 128, "scaled": 384 * 128 + 1, "bahdanau": 512 * 128 + 128}
    for score, more in counts.items():
        model = seq2seq.build(seq2seq.Parameters(**published, attention=score), spec)
        assert model.count_params() == 3 * words + 4 * lstm + more
    assert seq2seq.build(seq2seq.Parameters(**published, attention="scaled"), spec).count_params() == 2_495_489


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"attention": "luong"}, "Input should be 'none', 'dot', 'general', 'scaled' or 'bahdanau'"),
        ({"input_feeding": True}, "input_feeding is true, but attention is 'none'"),
        ({"tied": True}, "allowed without attention: an embedding of 4"),
        ({"attention": "dot", "bidirectional": True}, "allowed: general, scaled, bahdanau"),
        ({"units": []}, "at least 1 item"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        text(**parameters)


@pytest.mark.parametrize("name", ["none", "image"])
def test_only_a_text_can_be_asked_for(keras: Any, name: str) -> None:
    network = NETWORKS[name]
    with pytest.raises(ValueError, match="one label is asked for; allowed: a text"):
        network.architecture.build(network.parameters, ExampleSpec(network.spec.input_shape, 3))


def test_small_networks_are_small_and_keep_their_form() -> None:
    for network in NETWORKS.values():
        small = network.parameters.model_copy(update={"units": [128, 512]}).small()
        assert isinstance(small, DecoderParameters) and small.units == [8, 8] and small.embedding == 8
        assert (small.attention, small.input_feeding) == (
            network.parameters.attention,
            network.parameters.input_feeding,
        )


@cache
def losses(name: str, updates: int = 6) -> list[float]:
    """Of the first updates, from the same weights on the same batch."""
    import keras

    network = NETWORKS[name]
    model, given = network.build(), examples(network.spec)
    model.compile(keras.optimizers.Adam(0.05, global_clipnorm=1.0), network.architecture.loss(network.spec, 0.1))
    return [float(model.train_on_batch((given.inputs, given.previous), given.targets)) for _ in range(updates)]


@pytest.mark.full
def test_jax_learns_what_tensorflow_learns(keras: Any) -> None:
    code = "import json, test_seq2seq as t; print(json.dumps({name: t.losses(name) for name in t.NETWORKS}))"
    for name, found in json.loads(run_on_jax(code)).items():
        expected = losses(name)
        assert expected[-1] < expected[0]
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaled", "feeding", "clip"])
def test_dropout_is_drawn_in_training_alone(keras: Any, name: str) -> None:
    network = NETWORKS[name]
    dropping = network._replace(parameters=network.parameters.model_copy(update={"dropout": 0.5}))
    model, plain, given = dropping.build(), network.build(), examples(network.spec)
    inputs = [given.inputs, given.previous]
    np.testing.assert_array_equal(model(inputs), plain(inputs))
    drawn = [np.asarray(model(inputs, training=True)) for _ in range(2)]
    assert not np.allclose(drawn[0], drawn[1]) and np.isfinite(drawn).all()


def stored(lengths: list[int]) -> tuple[dict[str, Array], Description]:
    """Pairs of texts of these lengths, as a dataset stores them."""
    rng = np.random.default_rng(4)
    longest = np.arange(max(lengths))[None] < np.array(lengths)[:, None]
    x, y = (np.where(longest, rng.integers(4, size, longest.shape), 0) for size in (SOURCES, TARGETS))
    arrays = {"x": x, "y": y, "length": np.array(lengths), "y_length": np.array(lengths)}
    words = ["<pad>", "<unk>", "<s>", "</s>", *"abcdefghi"]
    answers = TextAnswers(vocabulary=words[:TARGETS], tokenizer="words")
    return arrays, Description(text="", layout="texts", vocabulary=words, tokenizer="words", answers=answers)


@pytest.mark.slow
def test_batches_of_any_width_train_and_each_token_counts_alike(keras: Any) -> None:
    """The first two are equally wide, from which Keras would conclude that all are."""
    arrays, description = stored([3] * 8 + [12, 9, 1, 1])
    view, network = VIEWS["text_to_text"], NETWORKS["scaled"]
    batches = Batches(arrays, view, description, batch_size=4, seed=1, shuffle=False)
    assert [targets.shape[1] for _, targets in batches.epoch(0)] == [8, 8, 13]  # no array is wider than the longest
    training = Training(learning_rate=0.01, batch_size=4, epochs=2, keep="last")
    model, loss = network.build(), network.architecture.loss(network.spec)
    last = fit(model, loss, training, batches, batches, []).history[-1]
    targets = view.targets(arrays, description)
    logits = model(list(view.training_inputs(arrays, description)))
    assert last["val_loss"] == pytest.approx(float(loss(targets, logits)), abs=1e-5)
    right = (np.asarray(logits).argmax(axis=-1) == targets)[targets >= 0]
    assert last["val_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
