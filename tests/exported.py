"""A variant as trained and exported without any training: a hand-made graph of digits, and its records."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.blocks import VariantBlock
from pipeline.dataset import Card
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
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10),
        places.exported / "model.onnx",
    )
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
