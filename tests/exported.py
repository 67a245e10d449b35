"""Variants as trained and exported without any training: hand-made graphs, and their records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.blocks import VariantBlock
from pipeline.dataset import UNKNOWN, Card, Dataset
from pipeline.decoding.decoder import END_TOKEN
from pipeline.files import write_json
from pipeline.fingerprint import TrainingRecord, make_record, write_record
from pipeline.onnx_graph import OPSET
from pipeline.places import HISTORY_FILE, TRAIN_TIMING_FILE, Places
from pipeline.runtime import MANIFEST_FILE, Manifest

NUM_PARAMETERS = 7840
SURENESS = 10.0


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


def write_features_export(folder: Path, name: str, dataset: Dataset, each_frame: bool) -> None:
    """An export of clips whose features are the lightest, darkest and mean value of each frame, or of a clip.

    What it answers, as if there were a class for each, is the mean of the frames.
    """
    kinds = ("ReduceMax", "ReduceMin", "ReduceMean")
    constants = {"places": np.array([2, 3, 4] if each_frame else [1, 2, 3, 4]), "frames": np.array([1]), "last": [-1]}
    nodes = [helper.make_node(kind, ["clip", "places"], [kind], keepdims=0) for kind in kinds]
    nodes += [helper.make_node("Unsqueeze", [kind, "last"], [f"{kind}_column"]) for kind in kinds]
    nodes.append(helper.make_node("Concat", [f"{kind}_column" for kind in kinds], ["features"], axis=-1))
    mean = helper.make_node("ReduceMean", ["features", "frames"], ["probability"], keepdims=0)
    nodes.append(mean if each_frame else helper.make_node("Identity", ["features"], ["probability"]))
    shapes: dict[str, list[int | None]] = {"clip": [None] * 5, "features": [None] * (3 if each_frame else 2)}
    made = {"view": "clips", "task": "classification", "model": "conv3d", "num_parameters": 0}
    shapes["probability"] = [None, len(kinds)]
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


def write_word_by_word_export(folder: Path, name: str, dataset: Dataset, words: Mapping[str, str]) -> None:
    """An export that answers each word of a source with another one, in their order; what it does not know, with <unk>.

    Where it looks is the word that it answers. It is sure of each answer by `SURENESS` nats more than of any other.
    """
    card = dataset.card
    assert card.answers and card.vocabulary
    table = np.zeros((len(card.vocabulary), len(card.answers.vocabulary)), np.float32)
    for place, word in enumerate(card.vocabulary[1:], start=1):  # padding says nothing, as what lies behind it
        table[place, card.answers.vocabulary.index(words.get(word, UNKNOWN))] = SURENESS
    at_the_end = np.zeros(table.shape[1], np.float32)
    at_the_end[END_TOKEN] = SURENESS / 2
    int32, float32 = TensorProto.INT32, TensorProto.FLOAT
    encoder = {
        "given": {"source": (int32, [None, None])},
        "answers": {"memory": [None, None, table.shape[1]], "memory_mask": [None, None], "state_0": [None, 1]},
        "constants": {"table": table, "nothing": np.int32(0), "steps": np.array([1]), "never": np.float32(0)},
        "nodes": [
            helper.make_node("Gather", ["table", "source"], ["memory"]),
            helper.make_node("Greater", ["source", "nothing"], ["real"]),
            helper.make_node("Cast", ["real"], ["memory_mask"], to=float32),
            helper.make_node("ReduceSum", ["memory_mask", "steps"], ["length"]),
            helper.make_node("Mul", ["length", "never"], ["state_0"]),
        ],
    }
    decoder = {
        "given": {"previous": (int32, [None, None])}
        | {name: (float32, shape) for name, shape in encoder["answers"].items() if name != "memory_mask"},
        "answers": {
            "log_probability": [None, None, table.shape[1]],
            "attention": [None, None, None],
            "next_state_0": [None, 1],
        },
        "constants": {
            "zero": np.int64(0),
            "one": np.int64(1),
            "last": np.array([2]),
            "rows": np.array([1]),
            "end": at_the_end,
        },
        "nodes": [
            helper.make_node("Shape", ["previous"], ["sizes"]),
            helper.make_node("Gather", ["sizes", "one"], ["tokens"]),
            helper.make_node("Range", ["zero", "tokens", "one"], ["counted"]),
            helper.make_node("Cast", ["counted"], ["ahead"], to=float32),
            helper.make_node("Add", ["state_0", "ahead"], ["place"]),
            helper.make_node("Unsqueeze", ["place", "last"], ["places"]),
            helper.make_node("Shape", ["memory"], ["read"]),
            helper.make_node("Gather", ["read", "one"], ["words"]),
            helper.make_node("Range", ["zero", "words", "one"], ["word"]),
            helper.make_node("Cast", ["word"], ["each"], to=float32),
            helper.make_node("Equal", ["places", "each"], ["here"]),
            helper.make_node("Cast", ["here"], ["attention"], to=float32),
            helper.make_node("MatMul", ["attention", "memory"], ["found"]),
            helper.make_node("Add", ["found", "end"], ["scores"]),
            helper.make_node("LogSoftmax", ["scores"], ["log_probability"], axis=-1),
            helper.make_node("Cast", ["tokens"], ["step"], to=float32),
            helper.make_node("Add", ["state_0", "step"], ["next_state_0"]),
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for title, parts in (("encoder", encoder), ("decoder", decoder)):
        given = [helper.make_tensor_value_info(key, *typed) for key, typed in parts["given"].items()]
        answers = [helper.make_tensor_value_info(key, float32, shape) for key, shape in parts["answers"].items()]
        _save_graph(folder / f"{title}.onnx", parts["nodes"], given, answers, parts["constants"])
    manifest = Manifest(
        variant=name,
        dataset=card.name,
        view="text_to_text",
        task="translation",
        model="seq2seq",
        num_parameters=table.size,
        fingerprint="0" * 64,
        description=card.as_description(),
        stored_shape=list(card.example_shape()),
        graphs={"encoder": "encoder.onnx", "decoder": "decoder.onnx"},
        longest_answer=card.splits["train"]["y"].shape[1],
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())


def _save_graph(path: Path, nodes: list[Any], given: list[Any], answers: list[Any], constants: Any) -> None:
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, path.stem, given, answers, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10), path)


def write_export(
    folder: Path,
    card: Card,
    shapes: Mapping[str, list[int | None]],
    nodes: list[Any],
    constants: Mapping[str, Any],
    reads: int = TensorProto.FLOAT,
    **made: Any,
) -> None:
    """A graph from the first of `shapes` to the others, as the project's exports are, and its manifest."""
    types = (reads, *[TensorProto.FLOAT] * (len(shapes) - 1))
    values = zip(shapes.items(), types, strict=True)
    given, *answers = (helper.make_tensor_value_info(key, type_, shape) for (key, shape), type_ in values)
    folder.mkdir(parents=True, exist_ok=True)
    _save_graph(folder / "model.onnx", nodes, [given], answers, constants)
    manifest = Manifest(
        **made,
        dataset=card.name,
        description=card.as_description(),
        stored_shape=list(card.example_shape()),
        graphs={"model": "model.onnx"},
    )
    write_json(folder / MANIFEST_FILE, manifest.model_dump())
