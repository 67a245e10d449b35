"""Exported LSTM and GRU: one ONNX node each, which computes what the layers of Keras compute."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.dataset import Array
from pipeline.models import encoder_decoder, recurrent
from pipeline.onnx_graph import write_graph
from pipeline.views import ExampleSpec

UNITS, FEATURES = 4, 3
CELLS = ("lstm", "gru")
SIZES = ((1, 6), (5, 11))  # batch and steps
every_kind = pytest.mark.parametrize(("cell", "masked"), [*product(CELLS, (False, True))])


def kinds(cell: str) -> tuple[type, type]:
    """Our layer and that of Keras."""
    import keras

    from pipeline.layers.onnx_recurrent import OnnxGRU, OnnxLSTM

    return (OnnxLSTM, keras.layers.LSTM) if cell == "lstm" else (OnnxGRU, keras.layers.GRU)


def network(cell: str, kind: type, masked: bool) -> Any:
    """A model that reads one sequence by a layer of each form, and answers with what each of them gives."""
    import keras

    from pipeline.layers.real_steps import RealSteps

    steps = keras.Input((None, FEATURES), name="steps")
    state = [keras.Input((UNITS,), name=name) for name in ("hidden", "cell")[: 2 if cell == "lstm" else 1]]
    features = RealSteps()(steps) if masked else steps
    answers = {}
    for form in product((False, True), repeat=4):
        names = ("go_backwards", "return_sequences", "return_state", "initial")
        options = dict(zip(names, form, strict=True))
        initial = state if options.pop("initial") else None
        found = kind(UNITS, **options)(features, initial_state=initial)
        form_name = "-".join(name for name, chosen in zip(names, form, strict=True) if chosen) or "plain"
        for place, each in enumerate(found if isinstance(found, list | tuple) else [found]):
            answers[f"{form_name}-{place}"] = each
    for whole, zeros in product((False, True), repeat=2):
        options = {"return_sequences": whole, "zero_output_for_mask": zeros}
        backward = kind(UNITS, go_backwards=True, **options)
        both = keras.layers.Bidirectional(kind(UNITS, **options), backward_layer=backward)(features)
        name = f"bidirectional-{whole}-{zeros}"
        answers[name] = both
        if whole:  # read on by a layer that is given the same mask
            answers[f"{name}-stacked"] = kind(UNITS, return_sequences=True)(both)
    return keras.Model([steps, *state], answers)


def num_layers(model: Any) -> int:
    import keras

    return sum(2 if isinstance(layer, keras.layers.Bidirectional) else hasattr(layer, "cell") for layer in model.layers)


@cache
def exported(cell: str, masked: bool) -> tuple[Any, bytes]:
    """The network in layers of Keras, and the ONNX graph of ours with the same weights."""
    ours, theirs = (network(cell, kind, masked) for kind in kinds(cell))
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=weight.shape).astype(np.float32) * 0.5 for weight in ours.weights]
    for model in (ours, theirs):
        model.set_weights(weights)
    return theirs, written(ours)


def written(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_graph(model, path, "value")
        return path.read_bytes()


def run(graph: bytes, inputs: list[Array]) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = {given.name: values for given, values in zip(session.get_inputs(), inputs, strict=True)}
    return dict(zip(names, session.run(None, feed), strict=True))


def num_nodes(graph: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)


def sequences(batch: int, steps: int, masked: bool) -> Array:
    """Random steps; with `masked`, the first sequence is whole, others end after one step, in between, before any."""
    inputs = np.random.default_rng(steps).normal(size=(batch, steps, FEATURES)).astype(np.float32)
    for row, length in enumerate((steps, 1, steps - 2, 0, 4)[:batch]):
        if masked:
            inputs[row, length:] = np.nan
    return inputs


@every_kind
def test_the_exported_node_computes_what_keras_computes(keras: Any, cell: str, masked: bool) -> None:
    known, graph = exported(cell, masked)
    for batch, steps in SIZES:
        rng = np.random.default_rng(2)
        state = [rng.normal(size=(batch, UNITS)).astype(np.float32) for _ in known.inputs[1:]]
        inputs = [sequences(batch, steps, masked), *state]
        found, expected = run(graph, inputs), known(inputs)
        assert found.keys() == expected.keys()
        for name, answers in expected.items():
            np.testing.assert_allclose(found[name], answers, atol=1e-5, err_msg=name)


@every_kind
def test_every_layer_is_one_node_and_no_loop(keras: Any, cell: str, masked: bool) -> None:
    known, graph = exported(cell, masked)
    nodes = num_nodes(graph)
    assert nodes[cell.upper()] == num_layers(known) == 26
    assert not nodes["Loop"] and not nodes["Scan"]


@pytest.mark.parametrize("cell", CELLS)
def test_called_directly_it_is_the_layer_of_keras(keras: Any, cell: str) -> None:
    ours, theirs = (network(cell, kind, True) for kind in kinds(cell))
    ours.set_weights(theirs.get_weights())
    inputs = [sequences(5, 6, True), *(np.ones((5, UNITS), np.float32) for _ in ours.inputs[1:])]
    found, expected = ours(inputs), theirs(inputs)
    for name, answers in expected.items():
        np.testing.assert_array_equal(found[name], answers, err_msg=name)


@pytest.mark.parametrize(
    ("cell", "options"), [("lstm", {"activation": "relu"}), ("gru", {"reset_after": False})], ids=str
)
def test_an_unusual_cell_is_exported_as_the_loop_of_keras(keras: Any, cell: str, options: dict[str, Any]) -> None:
    ours, _ = kinds(cell)
    steps = keras.Input((None, FEATURES))
    model = keras.Model(steps, ours(UNITS, return_sequences=True, **options)(steps))
    graph, inputs = written(model), sequences(5, 11, False)
    np.testing.assert_allclose(run(graph, [inputs])["value"], model(inputs), atol=1e-5)


def export_each_network() -> None:
    """Print the SHA-256 of the graphs that the project's own networks are exported as."""
    spec = ExampleSpec((None, FEATURES), FEATURES, "a value at each step", padded=True)
    forms: list[tuple[Any, dict[str, Any], ExampleSpec]] = [
        (recurrent, {"units": [4, 3], "bidirectional": True}, spec),
        (recurrent, {"units": [4, 3]}, replace(spec, asks="one value")),
        (encoder_decoder, {"units": [4], "decoder": "feedback"}, replace(spec, output_steps=3)),
    ]
    for cell, (architecture, options, asked) in product(CELLS, forms):
        parameters = architecture.Parameters(cell=cell, **options)
        model = architecture.build(parameters, asked)
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in model.weights])
        graph = written(architecture.graphs(parameters, asked, model)["model"])
        print(hashlib.sha256(graph).hexdigest())


@pytest.mark.slow
def test_two_processes_export_the_same_bytes() -> None:
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])
    code = "import test_onnx_recurrent as t; t.export_each_network()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    one, other = (process.communicate(timeout=300)[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert one == other and len(set(one)) == 6
