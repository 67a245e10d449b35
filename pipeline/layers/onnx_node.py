"""A node of ONNX as an operation of TensorFlow, for what tf2onnx would not find in a graph of TensorFlow's operations.

In TensorFlow it is the call of a Python function that does not exist, whose name says which node to make: it can be
traced and exported, but not run.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

Tensor = Any
OPERATION = "PyFuncStateless"


def onnx_node(
    kind: str, inputs: Sequence[Tensor | None], shapes: Sequence[Sequence[int | None]], **attributes: Any
) -> list[Tensor]:
    """The outputs, of the given shapes and of the first input's type, of one ONNX node of this kind.

    inputs: in ONNX' order, None for one left out. attributes: of the node. To be called in a graph that is exported.
    """
    import tensorflow as tf

    _tell_tf2onnx()
    given = [each for each in inputs if each is not None]
    node = {"kind": kind, "given": [each is not None for each in inputs], "attributes": attributes}
    outputs = tf.raw_ops.PyFuncStateless(input=given, token=json.dumps(node), Tout=[given[0].dtype] * len(shapes))
    return [tf.ensure_shape(output, shape) for output, shape in zip(outputs, shapes, strict=True)]


@cache
def _tell_tf2onnx() -> None:
    from tf2onnx.handler import tf_op

    tf_op(OPERATION).register_compat_handler(_make, version=1)


def _make(graph: Any, operation: Any, **_: Any) -> None:
    """Put the node in the operation's place; called by tf2onnx."""
    node = json.loads(operation.get_attr_str("token"))
    given = iter(operation.input)
    inputs = [next(given) if there else "" for there in node["given"]]
    dtypes = [graph.get_dtype(name) for name in operation.output]
    graph.remove_node(operation.name)
    graph.make_node(node["kind"], inputs, attr=node["attributes"], outputs=operation.output, dtypes=dtypes)
