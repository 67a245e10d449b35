"""Each architecture's outputs for weights and inputs set by formula: a change of what is computed does not go unseen.

The network's parameters and the outputs are in `golden/<architecture>.json`. For a new architecture, and for a change
that is meant, record them:

    python tests/test_golden.py <architecture>
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from found import ARCHITECTURES, ONE_EACH, VARIANTS

from pipeline.dataset import Array
from pipeline.plugins import load_plugin
from pipeline.views import ExampleSpec

GOLDEN = Path(__file__).parent / "golden"
NUM_EXAMPLES, NUM_STEPS = 2, 4  # where batch and time are free


def by_formula(shape: tuple[int, ...]) -> Array:
    """Numbers between -0.5 and 0.5 that look like none in particular."""
    values = ((np.arange(np.prod(shape, dtype=int)) * 7919) % 101 - 50) / 100
    return values.reshape(shape).astype(np.float32)


def tokens_by_formula(shape: tuple[int, ...], vocabulary_size: int) -> Array:
    """Tokens of texts without padding."""
    return (1 + (np.arange(np.prod(shape, dtype=int)) * 7919) % (vocabulary_size - 1)).reshape(shape).astype(np.int32)


def outputs(architecture: str, parameters: dict[str, Any], spec: dict[str, Any]) -> Array:
    plugin = load_plugin("models", architecture, "tests")
    spec["input_shape"] = tuple(spec["input_shape"])
    model = plugin.build(plugin.Parameters(**parameters), ExampleSpec(**spec))
    for weight in model.trainable_weights:
        weight.assign(by_formula(weight.shape))
    free = [
        (given.shape[0] or NUM_EXAMPLES, *(axis or NUM_STEPS for axis in given.shape[1:])) for given in model.inputs
    ]
    inputs = [
        by_formula(shape)
        if given.dtype == "float32"
        else tokens_by_formula(shape, spec["num_outputs" if given.name == "previous" else "vocabulary_size"])
        for given, shape in zip(model.inputs, free, strict=True)
    ]
    return np.asarray(model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0]))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_outputs_are_those_recorded(keras: Any, architecture: str) -> None:
    file = GOLDEN / f"{architecture}.json"
    assert file.is_file(), f"record them once: python tests/test_golden.py {architecture}"
    golden = json.loads(file.read_text())
    np.testing.assert_allclose(
        outputs(architecture, golden["parameters"], golden["spec"]), golden["outputs"], rtol=0, atol=1e-5
    )


def record(architecture: str) -> None:
    cases = [case for case in (*ONE_EACH, *VARIANTS) if case.block.model == architecture]
    case = next(case for case in cases if case.spec.vectors is None)
    parameters, spec = case.block.network.model_dump(mode="json"), vars(case.spec) | {}
    found = {"parameters": parameters, "spec": spec, "outputs": outputs(architecture, parameters, spec).tolist()}
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / f"{architecture}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        record(name)
