"""BLEU after each round of a training: by the network as it is, the same as its export, and the same after a kill."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax_process import run_on_jax
from test_checkpoint import Killed, Killer

from pipeline.bleu import bleu_counts, bleu_of
from pipeline.checkpoint import Checkpoint, Fitted
from pipeline.dataset import Dataset
from pipeline.decoding.beam import Beam
from pipeline.decoding.exported import open_decoder
from pipeline.decoding.forced import read
from pipeline.decoding.hypotheses import as_rows
from pipeline.decoding.translator import Translator
from pipeline.figures import curves
from pipeline.layers.decoding import decoder_of
from pipeline.models import seq2seq
from pipeline.network import prepare_backend
from pipeline.onnx_graph import write_graph
from pipeline.plugins import load_plugin
from pipeline.stages.generate import generate
from pipeline.training import Training, fit, split_batches
from pipeline.validation_texts import BLEU, ValidationTexts
from pipeline.views import VIEWS

NETWORKS = {
    "none": {"cell": "gru"},
    "scaled": {"attention": "scaled", "bidirectional": True, "units": [7, 6]},
    "feeding": {"attention": "bahdanau", "input_feeding": True},
}
VIEW = VIEWS["text_to_text"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sentences of a small language."""
    source = load_plugin("datasets", "parallel_grammar", "tests")
    folder = tmp_path_factory.mktemp("data") / "grammar"
    generate("grammar", source, source.Parameters.small(), 1, {"train": 64, "validation": 12, "test": 4}, folder)
    return Dataset(folder)


def network(dataset: Dataset, name: str) -> tuple[Any, Any, Any]:
    parameters = seq2seq.Parameters(**({"units": [6], "embedding": 5} | NETWORKS[name]))
    spec = VIEW.spec(dataset.card, dataset.card.example_shape())
    return parameters, spec, seq2seq.build(parameters, spec)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_learns_answers_as_its_export(keras: Any, dataset: Dataset, name: str, tmp_path: Path) -> None:
    import onnxruntime

    parameters, spec, model = network(dataset, name)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    graphs = seq2seq.graphs(parameters, spec, model)
    learning, sessions = decoder_of(graphs), {}
    for title, graph in graphs.items():
        write_graph(graph, tmp_path / f"{title}.onnx", title)
        sessions[title] = onnxruntime.InferenceSession(tmp_path / f"{title}.onnx")
    exported = open_decoder(sessions["encoder"], sessions["decoder"])
    assert learning.step_by_step is exported.step_by_step is (name == "feeding")
    inputs, previous = VIEW.training_inputs(dataset.split("validation"), dataset.card)
    for found, expected in zip(read(learning, inputs, previous), read(exported, inputs, previous), strict=True):
        assert (found is None) is (expected is None)
        if found is not None:
            np.testing.assert_allclose(found, expected, atol=1e-4)
    for one, other in zip(*(Translator(each, 9).greedy(inputs) for each in (learning, exported)), strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
    (alone, *_), *_ = Translator(exported, 9).answers(inputs[:1], Beam(3))
    (together, *_), *_ = Translator(exported, 9).answers(inputs, Beam(3))
    assert alone.tokens.tolist() == together.tokens.tolist() and alone.score == pytest.approx(together.score, rel=1e-5)


def train(dataset: Dataset, killer: Killer, checkpoint: Checkpoint | None) -> Fitted:
    training = Training(learning_rate=0.02, batch_size=16, epochs=4, bucket=2)
    prepare_backend(training, 3)
    parameters, spec, model = network(dataset, "scaled")
    batches = [split_batches(dataset, split, VIEW, training, 3) for split in ("train", "validation")]
    texts = ValidationTexts(partial(seq2seq.graphs, parameters, spec, model), dataset, VIEW)
    return fit(model, seq2seq.loss(spec), training, *batches, [killer], checkpoint, None, texts)


def rows_of(dataset: Dataset) -> list[dict[str, float]]:
    """What a training without dropout and order by chance says after each round."""
    training = Training(learning_rate=0.02, batch_size=64, epochs=3)
    prepare_backend(training, 3)
    parameters, spec, model = network(dataset, "scaled")
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    batches = [split_batches(dataset, split, VIEW, training, 3) for split in ("train", "validation")]
    texts = ValidationTexts(partial(seq2seq.graphs, parameters, spec, model), dataset, VIEW)
    return fit(model, seq2seq.loss(spec), training, *batches, [Killer()], None, None, texts).history


@pytest.mark.full
def test_jax_answers_what_tensorflow_answers(keras: Any, dataset: Dataset) -> None:
    there = f"t.Dataset(t.Path({str(dataset.folder)!r}))"
    code = f"import json, test_validation_texts as t; print(json.dumps(t.rows_of({there})))"
    expected = rows_of(dataset)
    for row, other in zip(json.loads(run_on_jax(code)), expected, strict=True):
        assert row == pytest.approx(other, abs=1e-3)


@pytest.mark.slow
def test_bleu_is_in_every_row_whether_killed_or_not(keras: Any, dataset: Dataset, tmp_path: Path) -> None:
    undisturbed = train(dataset, Killer(), None)
    assert [0 <= row[BLEU] <= 100 for row in undisturbed.history] == [True] * 4
    checkpoint = Checkpoint(tmp_path / "state.npz")
    with pytest.raises(Killed):
        train(dataset, Killer(round=2), checkpoint)
    assert train(dataset, Killer(), checkpoint).history == undisturbed.history
    titles = [axis.get_title() for axis in curves(undisturbed.history).axes]
    assert titles[0] == "loss" and "bleu" in titles


def test_it_is_the_bleu_of_the_greedy_answers(keras: Any, dataset: Dataset) -> None:
    parameters, spec, model = network(dataset, "none")
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    graphs = partial(seq2seq.graphs, parameters, spec, model)
    arrays, card = dataset.split("validation"), dataset.card
    found = Translator(decoder_of(graphs()), 0).greedy(VIEW.inputs(arrays, card))
    answers = VIEW.in_units(as_rows([each.tokens for each in found]), arrays["x"], card)
    expected = float(bleu_of(bleu_counts(answers, VIEW.references(arrays, card)).sum(axis=0)))
    assert ValidationTexts(graphs, dataset, VIEW).scores() == {BLEU: pytest.approx(expected)}
