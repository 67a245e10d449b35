"""`export@<variant>`: turn the trained network into ONNX graphs and prove that they compute what it computes."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.blocks import VariantBlock
from pipeline.dataset import Array, Dataset
from pipeline.decoding.forced import read
from pipeline.errors import StageFailure, UserError
from pipeline.files import whole_folder, write_json
from pipeline.fingerprint import read_record, write_record
from pipeline.labels import probabilities
from pipeline.network import network_outputs, open_network
from pipeline.onnx_graph import write_graph
from pipeline.places import GRADIENTS_FILE, SAMPLES_FILE, WEIGHTS_FILE, Places
from pipeline.runtime import MANIFEST_FILE, Export, Manifest
from pipeline.segments import chosen
from pipeline.views import ExampleSpec

LARGEST_DIFFERENCE = 1e-4
BATCH_SIZES = (1, 7)


def export(name: str, block: VariantBlock, places: Places) -> float:
    """Export a variant and return the largest difference to the network that was found; fails above 1e-4.

    Exported is what answers: in float32, also where the training was in mixed precision.
    """
    record = read_record(places.trained)
    if record.parameters["network"] != block.network.model_dump(mode="json"):
        raise UserError(
            f"{places.trained}: trained with another network than {name} has now; run dvc repro train@{name}"
        )
    training = block.training.model_copy(update={"mixed_precision": False})
    network = open_network(name, block.model_copy(update={"training": training}), places)
    architecture, dataset, spec, model = network.architecture, network.dataset, network.spec, network.model
    model.load_weights(places.trained / WEIGHTS_FILE)
    graphs = architecture.graphs(block.network, spec, model) if hasattr(architecture, "graphs") else {"model": model}
    with whole_folder(places.exported) as folder:
        for graph, exported in graphs.items():
            write_graph(exported, folder / f"{graph}.onnx", "value" if "value" in spec.asks else "probability")
        manifest = Manifest(
            variant=name,
            dataset=block.dataset,
            view=block.view,
            task=block.task,
            model=block.model,
            num_parameters=record.num_parameters,
            fingerprint=record.fingerprint,
            description=dataset.card.as_description(),
            stored_shape=list(dataset.card.example_shape()),
            graphs={graph: f"{graph}.onnx" for graph in graphs},
            longest_answer=dataset.card.splits["train"]["y"].shape[1] if dataset.card.answers else None,
        )
        write_json(folder / MANIFEST_FILE, manifest.model_dump())
        write_record(folder, record)
        for file in (GRADIENTS_FILE, SAMPLES_FILE):
            if (places.trained / file).is_file():
                shutil.copyfile(places.trained / file, folder / file)
        if dataset.card.windows:
            _choose_segmentation(folder, manifest, dataset)
        examples = {key: values[: max(BATCH_SIZES)] for key, values in dataset.split("test").items()}
        inputs = network.view.training_inputs(examples, dataset.card)
        return check_export(Export(folder), architecture, block, spec, model, inputs)


def _choose_segmentation(folder: Path, manifest: Manifest, dataset: Dataset) -> None:
    """Add to the manifest how scores become segments: as is best on the validation split."""
    exported, arrays = Export(folder), dataset.split("validation")
    inputs = exported.view.inputs(arrays, dataset.card)
    outputs = exported.run_batches(len(inputs), lambda rows: inputs[rows], lambda done: None)
    scores = probabilities(exported.view.in_units(outputs, arrays["x"], dataset.card))
    assert dataset.card.windows
    found = chosen(scores, exported.view.references(arrays, dataset.card), dataset.card.windows.stride)
    description = manifest.description.model_copy(update={"segmentation": found})
    write_json(folder / MANIFEST_FILE, manifest.model_copy(update={"description": description}).model_dump())


def check_export(
    exported: Export,
    architecture: ModuleType,
    block: VariantBlock,
    spec: ExampleSpec,
    model: Any,
    inputs: Array | tuple[Array, ...],
) -> float:
    """The largest difference between export and network, at two batch sizes and, where steps are free, two lengths.

    inputs: also the answers so far, where texts are asked for.
    """
    if isinstance(inputs, tuple):
        return _refuse_above(_of_texts(exported, model, *inputs))
    largest = 0.0
    for size in BATCH_SIZES:
        batch = np.resize(inputs, (size, *inputs.shape[1:]))
        network = model
        if spec.batch_size is not None:
            network = architecture.build(block.network, replace(spec, batch_size=size, steps_per_call=1))
            for weight, trained in zip(network.trainable_weights, model.trainable_weights, strict=True):
                weight.assign(trained)
        lengths = [batch]
        if model.inputs[0].shape[1] is None or spec.batch_size is not None:
            lengths.append(batch[:, : max(1, batch.shape[1] - 1)])
        for clip in lengths:
            network_spec_here = replace(spec, batch_size=size, steps_per_call=1) if spec.batch_size else spec
            expected = network_outputs(network, network_spec_here, clip)
            found = exported.run_graphs(clip)
            largest = max(largest, _difference(found, expected))
    return _refuse_above(largest)


def _of_texts(exported: Export, model: Any, inputs: Array, previous: Array) -> float:
    """That of log-probabilities, of all tokens at once and, by the states, of one after the other.

    Of what is less likely than 1/e as a share of its log-probability, which has no more digits than others.
    """
    largest = 0.0
    for size in BATCH_SIZES:
        sources, known = (np.resize(each, (size, *each.shape[1:])) for each in (inputs, previous))
        shorter = sources[:, : max(1, sources.shape[1] - 1)] if model.inputs[0].shape[1] is None else sources
        for given, tokens in ((sources, known), (shorter, known[:, : max(1, known.shape[1] - 1)])):
            logits = np.asarray(model.predict_on_batch([given, tokens]), dtype=np.float64)
            expected = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
            for at_once in (None, 1):
                found, _ = read(exported.translator.decoder, given, tokens, at_once)
                scale = np.maximum(1, np.abs(expected))
                largest = max(largest, _difference(found / scale, expected / scale))
    return largest


def _difference(found: Array, expected: Array) -> float:
    """The largest between two arrays, which must be alike in shape and hold numbers."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise StageFailure(f"the export answers {found.shape} where the network answers {expected.shape}")
    return float(np.abs(found - expected).max())


def _refuse_above(largest: float) -> float:
    if largest > LARGEST_DIFFERENCE:
        raise StageFailure(f"the export differs from the network by {largest:.1e}; allowed: {LARGEST_DIFFERENCE:.0e}")
    return largest
