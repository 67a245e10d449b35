"""`export@<variant>`: turn the trained network into ONNX graphs and prove that they compute what it computes."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from pipeline.config import VariantBlock
from pipeline.dataset import Array, Dataset
from pipeline.errors import StageFailure
from pipeline.files import whole_folder, write_json
from pipeline.fingerprint import read_record, write_record
from pipeline.places import WEIGHTS_FILE, Places
from pipeline.plugins import load_plugin
from pipeline.runtime import MANIFEST_FILE, Export, Manifest
from pipeline.training import network_outputs, network_spec, prepare_backend
from pipeline.views import ExampleSpec, open_view

LARGEST_DIFFERENCE = 1e-4
BATCH_SIZES = (1, 7)
OPSET = 18


def export(name: str, block: VariantBlock, places: Places) -> float:
    """Export a variant and return the largest difference to the network that was found; fails above 1e-4."""
    dataset = Dataset(places.dataset)
    architecture = load_plugin("models", block.model, f"params.yaml: variants.{name}.model")
    view = open_view(block.view, dataset.card, f"params.yaml: variants.{name}.view")
    spec = network_spec(view, dataset, block.training)
    prepare_backend(block.training, block.seed)
    model = architecture.build(block.network, spec)
    model.load_weights(places.trained / WEIGHTS_FILE)
    graphs = architecture.graphs(block.network, spec, model) if hasattr(architecture, "graphs") else {"model": model}
    record = read_record(places.trained)
    with whole_folder(places.exported) as folder:
        for graph, network in graphs.items():
            write_graph(network, folder / f"{graph}.onnx")
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
        )
        write_json(folder / MANIFEST_FILE, manifest.model_dump())
        write_record(folder, record)
        inputs = view.inputs(
            {key: values[: max(BATCH_SIZES)] for key, values in dataset.split("test").items()}, dataset.card
        )
        return check_export(Export(folder), architecture, block, spec, model, inputs)


def write_graph(network: Any, path: Path) -> None:
    """Write a Keras model as ONNX, its inputs and outputs named as in the model."""
    outputs = network.output_names if isinstance(network.output, list | tuple) else None
    zeros = [np.zeros((1, *(axis or 1 for axis in given.shape[1:])), dtype=np.float32) for given in network.inputs]
    network(zeros if len(zeros) > 1 else zeros[0])  # a model that was never called cannot be exported
    names = sorted(network.output) if isinstance(network.output, dict) else outputs or ["probability"]
    with _silence(), tempfile.TemporaryDirectory() as aside:
        raw = Path(aside) / "raw.onnx"
        network.export(str(raw), format="onnx", verbose=False, opset_version=OPSET)
        graph = onnx.load(raw)
    _rename_outputs(graph, names)
    graph.producer_version = ""
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def check_export(
    exported: Export, architecture: ModuleType, block: VariantBlock, spec: ExampleSpec, model: Any, inputs: Array
) -> float:
    """The largest difference between export and network, at two batch sizes and, where steps are free, two lengths."""
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
            found = exported.run(clip)
            if found.shape != expected.shape or not np.isfinite(found).all():
                raise StageFailure(f"the export answers {found.shape} where the network answers {expected.shape}")
            largest = max(largest, float(np.abs(found - expected).max()))
    if largest > LARGEST_DIFFERENCE:
        raise StageFailure(f"the export differs from the network by {largest:.1e}; allowed: {LARGEST_DIFFERENCE:.0e}")
    return largest


def _rename_outputs(graph: onnx.ModelProto, names: list[str]) -> None:
    """Outputs come out as Identity:0, Identity_1:0, ... in sorted order: give them the names they have in the model."""
    mapping = {output.name: name for output, name in zip(graph.graph.output, names, strict=True)}
    for output in graph.graph.output:
        output.name = mapping[output.name]
    for node in graph.graph.node:
        node.output[:] = [mapping.get(name, name) for name in node.output]
        node.input[:] = [mapping.get(name, name) for name in node.input]


@contextlib.contextmanager
def _silence() -> Any:
    """Conversion writes pages of notes to stdout, to stderr and to loggers; none of them is for the user."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
