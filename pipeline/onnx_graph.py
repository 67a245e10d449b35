"""A Keras model as an ONNX file: names that say what they are, and the same bytes at each export."""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx

OPSET = 18
FREE_STEPS = 32  # of the one call that every export needs before it: enough for several poolings


def write_graph(network: Any, path: Path, answer: str) -> None:
    """Write a Keras model as ONNX, its inputs and outputs named as in the model; `answer` names a single output."""
    outputs = network.output_names if isinstance(network.output, list | tuple) else None
    zeros = [np.zeros((1, *(axis or FREE_STEPS for axis in given.shape[1:])), given.dtype) for given in network.inputs]
    network(zeros if len(zeros) > 1 else zeros[0])  # a model that was never called cannot be exported
    names = sorted(network.output) if isinstance(network.output, dict) else outputs or [answer]
    with _silence(), tempfile.TemporaryDirectory() as aside:
        raw = Path(aside) / "raw.onnx"
        network.export(str(raw), format="onnx", verbose=False, opset_version=OPSET)
        graph = onnx.load(raw)
    _rename_outputs(graph, names)
    _put_in_order(graph.graph)
    graph.producer_version = ""
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _rename_outputs(graph: onnx.ModelProto, names: list[str]) -> None:
    """Outputs come out as Identity:0, Identity_1:0, ... in sorted order: give them the names they have in the model."""
    mapping = {output.name: name for output, name in zip(graph.graph.output, names, strict=True)}
    for output in graph.graph.output:
        output.name = mapping[output.name]
    for node in graph.graph.node:
        node.output[:] = [mapping.get(name, name) for name in node.output]
        node.input[:] = [mapping.get(name, name) for name in node.input]


def _put_in_order(graph: onnx.GraphProto) -> None:
    """Order and name nodes, tensors and constants by what the outputs need, first things first.

    tf2onnx goes through sets of names, whose order Python draws anew in each process: the same network would be other
    bytes at each export, and everything after it out of date. Inputs and outputs keep their names.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    constants = {constant.name: constant for constant in graph.initializer}
    made_here = {*makers, *constants}
    names = {value.name: value.name for value in graph.input}
    nodes: list[onnx.NodeProto] = []
    used: list[onnx.TensorProto] = []
    waiting = [output.name for output in reversed(graph.output)]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        if name in constants:
            names[name] = f"constant_{len(used)}"
            used.append(constants[name])
            continue
        node = makers[name]
        needed = [needed for needed in _reads(node) if needed not in names and needed in made_here]
        if needed:
            waiting += [name, *reversed(needed)]
            continue
        names |= {out: f"{node.op_type}_{len(nodes)}_{place}" for place, out in enumerate(node.output) if out}
        nodes.append(node)
    names |= {output.name: output.name for output in graph.output}
    ordered = onnx.GraphProto(node=nodes, initializer=used)
    for number, node in enumerate(ordered.node):
        node.name = f"{node.op_type}_{number}"
        _rename(node, names)
    for constant in ordered.initializer:
        constant.name = names[constant.name]
    for field in ("node", "initializer", "value_info"):
        graph.ClearField(field)
    graph.MergeFrom(ordered)


def _reads(node: onnx.NodeProto) -> list[str]:
    """The tensors that a node needs, those that the bodies of loops and branches take from around them included."""
    inner = [body for attribute in node.attribute for body in (attribute.g, *attribute.graphs)]
    return [*filter(None, node.input), *(name for body in inner for one in body.node for name in _reads(one))]


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for one in body.node:
                _rename(one, names)


@contextlib.contextmanager
def _silence() -> Any:
    """Conversion writes pages of notes to stdout, to stderr and to loggers; none of them is for the user."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
