"""Variants as trained and exported without any training: hand-made graphs, and their records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.blocks import VariantBlock
from pipeline.dataset import Card, Dataset
from pipeline.files import write_json
from pipeline.fingerprint import TrainingRecord, make_record, write_record
from pipeline.onnx_graph import OPSET
from pipeline.places import HISTORY_FILE, TRAIN_TIMING_FILE, Places
from pipeline.runtime import MANIFEST_FILE, Manifest

NUM_PARAMETERS = 7840


def write_digits_export(
    places: Places, name: str, block: VariantBlock, card: Card, nodes: list[Any], constants: Mapping[str, Any]
) -> TrainingRecord:
    """What train and export leave of a variant: the graph from `image` to `probability`, manifest, record, history."""
    record = make_record(name, block, card, NUM_PARAMETERS, "tensorflow")
    made = {"view": block.view, "task": block.task, "model": block.model, "num_parameters": NUM_PARAMETERS}
    shapes = {"image": [None, 28, 28, 1], "probability": [None, 10]}
    write_export(places.exported, card, shapes, nodes, constants, variant=name, fingerprint=record.fingerprint, **made)
    write_record(places.exported, record)
    places.reports.mkdir(parents=True, exist_ok=True)
    (places.reports / HISTORY_FILE).write_text("epoch,step,loss,val_loss,learning_rate\n1,10,0.5,0.6,0.001\n")
    write_json(places.reports / TRAIN_TIMING_FILE, {"train_seconds": 1.0, "fingerprint": record.fingerprint})
    return record


def write_echo_export(folder: Path, name: str, dataset: Dataset, first: int) -> None:
    """An export that answers sequences [N, T, 1] with as many of their values as are asked for, from `first` on."""
    outputs = dataset.card.outputs or []
    constants = {"places": np.arange(first, first + len(outputs)), "axis": np.array([2])}
    nodes = [
        helper.make_node("Gather", ["steps", "places"], ["echo"], axis=1),
        helper.make_node("Squeeze", ["echo", "axis"], ["value"]),
    ]
    made = {"view": "sequence_to_value", "task": "regression", "model": "recurrent", "num_parameters": 0}
    shapes = {"steps": [None, None, 1], "value": [None, len(outputs)]}
    write_export(folder, dataset.card, shapes, nodes, constants, variant=name, fingerprint="0" * 64, **made)


def write_word_export(folder: Path, name: str, dataset: Dataset, word: str) -> None:
    """An export that answers the second of two labels for texts that hold `word`, as surely as can be."""
    constants = {"word": np.int32((dataset.card.vocabulary or []).index(word)), "axis": np.array([1])}
    nodes = [
        helper.make_node("Equal", ["tokens", "word"], ["found"]),
        helper.make_node("Cast", ["found"], ["at_each"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["at_each", "axis"], ["probability"], keepdims=1),
    ]
    made = {"view": "tokens_to_label", "task": "classification", "model": "recurrent", "num_parameters": 0}
    shapes: dict[str, list[int | None]] = {"tokens": [None, None], "probability": [None, 1]}
    write_export(
        folder,
        dataset.card,
        shapes,
        nodes,
        constants,
        reads=TensorProto.INT32,
        variant=name,
        fingerprint="0" * 64,
        **made,
    )


def write_export(
    folder: Path,
    card: Card,
    shapes: Mapping[str, list[int | None]],
    nodes: list[Any],
    constants: Mapping[str, Any],
    reads: int = TensorProto.FLOAT,
    **made: Any,
) -> None:
    """A graph from the first of `shapes` to the second, as the project's exports are, and its manifest."""
    types = zip(shapes.items(), (reads, TensorProto.FLOAT), strict=True)
    given, answer = (helper.make_tensor_value_info(key, type_, shape) for (key, shape), type_ in types)
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, made["variant"], [given], [answer], tensors)
    opset = [helper.make_opsetid("", OPSET)]
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "model.onnx")
    manifest = Manifest(
        **made,
        dataset=card.name,
        description=card.as_description(),
        stored_shape=list(card.example_shape()),
        graphs={"model": "model.onnx"},
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())
