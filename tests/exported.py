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
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 28, 28, 1])
    answer = helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 10])
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, [given], [answer], tensors)
    places.exported.mkdir(parents=True, exist_ok=True)
    save_graph(graph, places.exported)
    record = make_record(name, block, card, NUM_PARAMETERS, "tensorflow")
    write_record(places.exported, record)
    manifest = Manifest(
        variant=name,
        dataset=card.name,
        view=block.view,
        task=block.task,
        model=block.model,
        num_parameters=NUM_PARAMETERS,
        fingerprint=record.fingerprint,
        description=card.as_description(),
        stored_shape=list(card.example_shape()),
        graphs={"model": "model.onnx"},
    )
    write_json(places.exported / MANIFEST_FILE, manifest.model_dump())
    places.reports.mkdir(parents=True, exist_ok=True)
    (places.reports / HISTORY_FILE).write_text("epoch,step,loss,val_loss,learning_rate\n1,10,0.5,0.6,0.001\n")
    write_json(places.reports / TRAIN_TIMING_FILE, {"train_seconds": 1.0, "fingerprint": record.fingerprint})
    return record


def write_echo_export(folder: Path, name: str, dataset: Dataset, first: int) -> None:
    """An export that answers sequences [N, T, 1] with as many of their values as are asked for, from `first` on."""
    card = dataset.card
    outputs = card.outputs or []
    given = helper.make_tensor_value_info("steps", TensorProto.FLOAT, [None, None, 1])
    answer = helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, len(outputs)])
    constants = {"places": np.arange(first, first + len(outputs)), "axis": np.array([2])}
    nodes = [
        helper.make_node("Gather", ["steps", "places"], ["echo"], axis=1),
        helper.make_node("Squeeze", ["echo", "axis"], ["value"]),
    ]
    tensors = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    folder.mkdir(parents=True, exist_ok=True)
    save_graph(helper.make_graph(nodes, name, [given], [answer], tensors), folder)
    manifest = Manifest(
        variant=name,
        dataset=card.name,
        view="sequence_to_value",
        task="regression",
        model="recurrent",
        num_parameters=0,
        fingerprint="0" * 64,
        description=card.as_description(),
        stored_shape=list(card.example_shape()),
        graphs={"model": "model.onnx"},
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())


def save_graph(graph: onnx.GraphProto, folder: Path) -> None:
    """Write a graph as the project's exports are."""
    opset = [helper.make_opsetid("", OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "model.onnx")
