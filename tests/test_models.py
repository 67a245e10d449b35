"""Every network of params.yaml: it builds, learns, is saved and exported, and computes what it should.

Small ones, and in `make test-full` those of params.yaml as they stand, on a few examples of published size.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from found import (
    ARCHITECTURES,
    FORMS,
    ONE_EACH,
    PARAMS,
    PUBLISHED,
    PUBLISHED_FORMS,
    VARIANTS,
    Case,
    formulations,
    label,
    marked,
)

from pipeline.batches import Batches
from pipeline.config import variant_block
from pipeline.dataset import Array
from pipeline.files import write_json
from pipeline.models import cnn_lstm, memory_lstm
from pipeline.network import loss_of, network_outputs, prepare_backend
from pipeline.runtime import MANIFEST_FILE, Export, Manifest
from pipeline.stages.export import LARGEST_DIFFERENCE, check_export, write_graph
from pipeline.training import Training, fit
from pipeline.views import ExampleSpec

FEW = 4
PAIR_AXES = 4  # of scores of pairs of labels [B, T, K, K], which are decoded to labels
every_variant = pytest.mark.parametrize("case", marked(VARIANTS + PUBLISHED), ids=label)
every_form = pytest.mark.parametrize("case", marked(FORMS + PUBLISHED_FORMS), ids=label)
one_each = pytest.mark.parametrize("case", marked(ONE_EACH + PUBLISHED), ids=label)
every_variant_and_form = pytest.mark.parametrize(
    "case", marked({case.name: case for case in VARIANTS + FORMS + PUBLISHED_FORMS}.values()), ids=label
)


def few_batches(case: Case, batch_size: int) -> Batches:
    return Batches(
        arrays=case.examples(FEW),
        view=case.view,
        description=case.dataset.card,
        batch_size=batch_size,
        seed=1,
        shuffle=False,
        truncate_steps=case.block.training.truncate_steps,
    )


def fit_few(case: Case, model: Any, **options: Any) -> list[dict[str, float]]:
    batch_size = case.spec.batch_size or FEW
    given = {"learning_rate": 0.01, "batch_size": batch_size, "keep": "last"}
    training = Training.model_validate(given | {"truncate_steps": case.block.training.truncate_steps} | options)
    batches = few_batches(case, batch_size)
    return fit(model, loss_of(case.architecture, case.spec, training), training, batches, batches, []).history


def call(model: Any, case: Case) -> Array:
    """Outputs for the first batch, as the network is called in training."""
    inputs, _ = next(islice(few_batches(case, case.spec.batch_size or FEW).epoch(0), 1))
    return np.asarray(model(list(inputs) if isinstance(inputs, tuple) else inputs))


def test_every_architecture_has_a_variant() -> None:
    assert {block["model"] for block in PARAMS["variants"].values()} == set(ARCHITECTURES)


@every_variant_and_form
def test_one_update_moves_every_weight_and_the_answers_have_the_right_shape(keras: Any, case: Case) -> None:
    model = case.build()
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    assert before
    steps = few_batches(case, case.spec.batch_size or FEW).calls_per_batch
    fit_few(case, model, steps=steps, validate_every=steps)
    still = [
        w.path for w, value in zip(model.trainable_weights, before, strict=True) if np.array_equal(w.numpy(), value)
    ]
    steps = {case.dataset.card.example_shape()[0], case.spec.output_steps or 1}
    one_step = case.spec.input_shape[0] is None and steps == {1}  # what a step leaves behind, nothing reads
    assert still == [w.path for w in model.trainable_weights if one_step and "recurrent_kernel" in w.path]
    outputs = call(model, case)
    assert np.isfinite(outputs).all()
    if "value" in case.spec.asks or case.spec.asks == "a text":
        assert outputs.shape[-1] == case.spec.num_outputs
    elif outputs.ndim == PAIR_AXES:
        assert outputs.shape[-2:] == (case.spec.num_outputs, case.spec.num_outputs)
    else:
        assert outputs.shape[-1] in ({1, 2} if case.spec.num_outputs == 2 else {case.spec.num_outputs})
        assert outputs.min() >= 0 and outputs.max() <= 1


@one_each
def test_a_few_examples_can_be_learnt_by_heart(keras: Any, case: Case) -> None:
    keras.utils.set_random_seed(1)
    rate = case.block.training.learning_rate if case.published else 0.02  # small networks bear larger steps
    steps = 1500 if case.spec.asks == "a text" else 600  # of which each example asks for many answers
    options = {"steps": steps, "validate_every": 100, "steps_per_execution": 50, "learning_rate": rate}
    last = fit_few(case, case.build(), **options)[-1]
    if "value" in case.spec.asks:
        assert last["val_loss"] < 0.1 * np.nanvar(case.view.targets(case.examples(FEW), case.dataset.card))
    else:
        assert last["val_loss"] < 0.1 or last["val_accuracy"] == 1.0


@every_form
def test_weights_can_be_saved_and_loaded(keras: Any, case: Case, tmp_path: Path) -> None:
    model, again = case.build(), case.build()
    model.set_weights([weight + 0.1 for weight in model.get_weights()])  # some begin with the same weights each time
    model.save_weights(tmp_path / "model.weights.h5")
    assert not np.allclose(call(model, case), call(again, case), atol=1e-6)
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(call(model, case), call(again, case))


def exported(case: Case, model: Any, folder: Path) -> Export:
    graphs = {"model": model}
    if hasattr(case.architecture, "graphs"):
        graphs = case.architecture.graphs(case.block.network, case.spec, model)
    for name, graph in graphs.items():
        write_graph(graph, folder / f"{name}.onnx", "value" if "value" in case.spec.asks else "probability")
    manifest = Manifest(
        variant=case.name,
        dataset=case.block.dataset,
        view=case.block.view,
        task=case.block.task,
        model=case.block.model,
        num_parameters=model.count_params(),
        fingerprint="none",
        description=case.dataset.card.as_description(),
        stored_shape=list(case.dataset.card.example_shape()),
        graphs={name: f"{name}.onnx" for name in graphs},
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())
    return Export(folder)


def twice(inputs: Array) -> Array:
    """Sequences one after the other, and the padding of both behind them."""
    joined = np.concatenate([inputs] * 2, axis=1)
    flat = joined.reshape(*joined.shape[:2], -1)
    ended = (flat == 0 if inputs.dtype.kind == "i" else np.isnan(flat)).all(axis=-1)
    order = np.argsort(ended, axis=1, kind="stable")
    return np.take_along_axis(joined, order.reshape(order.shape + (1,) * (joined.ndim - 2)), axis=1)


@every_form
def test_the_export_computes_what_the_network_computes_at_other_sizes(keras: Any, case: Case, tmp_path: Path) -> None:
    model = case.build()
    export = exported(case, model, tmp_path)
    inputs = case.view.training_inputs(case.examples(5, "test"), case.dataset.card)
    found = check_export(export, case.architecture, case.block, case.spec, model, inputs)
    assert found < LARGEST_DIFFERENCE
    if isinstance(inputs, tuple):
        return  # test_seq2seq.py tries their other sizes
    for size in (2, 5):
        spec, network = case.spec, model
        if spec.batch_size is not None:
            spec = replace(spec, batch_size=size, steps_per_call=1)
            network = case.architecture.build(case.block.network, spec)
            for weight, value in zip(network.trainable_weights, model.trainable_weights, strict=True):
                weight.assign(value)
        clips = [inputs[:size]]
        if spec.batch_size is not None or network.inputs[0].shape[1] is None:
            clips += [inputs[:size, :2], twice(inputs[:size])]
        for clip in clips:
            np.testing.assert_allclose(export.run_graphs(clip), network_outputs(network, spec, clip), atol=1e-4)


@one_each
def test_an_export_that_computes_something_else_is_found_out(keras: Any, case: Case, tmp_path: Path) -> None:
    from pipeline.errors import StageFailure

    model = case.build()
    export = exported(case, model, tmp_path)
    weight = model.trainable_weights[-1]
    weight.assign(weight + np.linspace(0.1, 1, weight.shape[-1], dtype=np.float32))
    inputs = case.view.training_inputs(case.examples(5, "test"), case.dataset.card)
    with pytest.raises(StageFailure, match="the export differs from the network by"):
        check_export(export, case.architecture, case.block, case.spec, model, inputs)


@every_variant
def test_all_formulations_compute_the_same(keras: Any, case: Case) -> None:
    forms = formulations(case)
    if len(forms) == 1:
        pytest.skip(f"{case.block.model} has one")
    models = [form.build() for form in forms]
    assert len({tuple(layer.name for layer in model.layers) for model in models}) == len(forms)
    inputs = case.view.inputs(case.examples(6), case.dataset.card)
    expected = np.asarray(models[0](inputs))
    for model in models[1:]:
        model.set_weights(models[0].get_weights())
        np.testing.assert_allclose(model(inputs), expected, atol=1e-5)


def test_parameter_counts_are_those_published(keras: Any) -> None:
    parameters = cnn_lstm.Parameters(filters=[2], kernel_size=2, pool_size=2, units=50)
    for formulation in ("folded", "layers", "whole"):
        form = parameters.model_copy(update={"formulation": formulation})
        model = cnn_lstm.build(form, ExampleSpec((50, 50, 50, 1), 2))
        assert model.count_params() == 240_661
        lstm = next(layer for layer in model.layers if "lstm" in layer.name)
        assert lstm.count_params() == 240_600 and lstm.input.shape[-1] == 1152

    stateful = memory_lstm.build(
        memory_lstm.Parameters(units=20),
        ExampleSpec((None, 5), 5, "a label at each step", batch_size=1, steps_per_call=4),
    )
    assert sum(np.prod(weight.shape) for weight in stateful.trainable_weights) == 2185
    published = {"moving_square_cnn_lstm": parameters, "memory_lstm": memory_lstm.Parameters(units=20)}
    assert {name: variant_block(name, PARAMS).network for name in published} == published


@one_each
def test_mixed_precision_trains_and_answers_with_full_numbers(keras: Any, case: Case) -> None:
    prepare_backend(SimpleNamespace(mixed_precision=True, num_threads=2, deterministic=True), seed=1)  # type: ignore[arg-type]
    try:
        history = fit_few(case, case.build(), steps=8, validate_every=4, mixed_precision=True)
        assert all(np.isfinite(list(row.values())).all() for row in history)
    finally:
        keras.mixed_precision.set_global_policy("float32")
