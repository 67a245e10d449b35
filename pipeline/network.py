"""From a variant's block to its network: the backend it runs on, what it sees, and what it answers.

Importing this file imports no Keras; its functions do.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array, Dataset
from pipeline.errors import UserError
from pipeline.plugins import load_plugin
from pipeline.views import ExampleSpec, View, open_view
from pipeline.views.pictures import channels_of

if TYPE_CHECKING:
    import keras

    from pipeline.blocks import VariantBlock
    from pipeline.places import Places
    from pipeline.training import Training


@dataclass(frozen=True)
class Network:
    """A variant's network, freshly initialised from its seed, and everything that gave it its shape."""

    dataset: Dataset
    architecture: ModuleType
    view: View
    spec: ExampleSpec
    model: "keras.Model"


def open_network(name: str, block: "VariantBlock", places: "Places") -> Network:
    """Build the network of a variant. Raises `UserError` before Keras is imported, where the block does not hold."""
    dataset = Dataset(places.dataset)
    architecture = load_plugin("models", block.model, f"params.yaml: variants.{name}.model")
    view = open_view(block.view, dataset.card, f"params.yaml: variants.{name}.view")
    spec = network_spec(view, dataset, block.training)
    prepare_backend(block.training, block.seed)
    try:
        model = architecture.build(block.network, spec)
    except ValueError as error:  # a kernel larger than the image, say
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"params.yaml: variants.{name}.network: cannot be built for {spec.input_shape}: {reason}"
        ) from None
    return Network(dataset, architecture, view, spec, model)


def prepare_backend(training: "Training", seed: int) -> None:
    """Fix seeds, threads, determinism, precision and the growth of GPU memory; call it before building a network."""
    with quiet_import():
        import keras

    keras.utils.clear_session()  # of the networks that `repeat` built before
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_global_policy("mixed_float16" if training.mixed_precision else "float32")
    if keras.backend.backend() == "tensorflow":
        with quiet_import():
            import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        # Else `repeat` is warned that each of its networks is traced anew.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            tf.config.threading.set_intra_op_parallelism_threads(training.num_threads)
            tf.config.threading.set_inter_op_parallelism_threads(training.num_threads)
        except RuntimeError:  # TensorFlow has already started in this process, with whatever it was given first
            pass
        if training.deterministic:
            tf.config.experimental.enable_op_determinism()


@contextmanager
def quiet_import() -> Iterator[None]:
    """Keep off stderr what TensorFlow's libraries write there while they are loaded, errors apart, which are raised."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def network_spec(view: View, dataset: Dataset, training: "Training") -> ExampleSpec:
    """What a network sees, what the dataset knows of labels and tokens, and the sizes a stateful one is built for."""
    card = dataset.card
    spec = view.spec(card, card.example_shape())
    spec = replace(spec, classes=tuple(card.classes or ()), vectors=dataset.vectors())
    if view.layout in ("images", "clips"):
        spec = replace(spec, channels=channels_of(dataset.split("train")["x"]))
    if training.truncate_steps is None:
        return spec
    num_examples = {split: card.num_examples(split) for split in ("train", "validation")}
    if any(number % training.batch_size for number in num_examples.values()):
        raise UserError(
            f"dataset {card.name}: splits of {num_examples} examples do not divide into batches of "
            f"{training.batch_size}; with truncate_steps every batch must be full"
        )
    if spec.num_steps is not None and spec.num_steps % training.truncate_steps:
        whole = [steps for steps in range(1, spec.num_steps + 1) if spec.num_steps % steps == 0]
        raise UserError(
            f"dataset {card.name}: sequences of {spec.num_steps} steps do not divide into calls of "
            f"{training.truncate_steps}; the last would learn from fewer; allowed for truncate_steps: "
            f"{', '.join(map(str, whole))}"
        )
    return replace(spec, batch_size=training.batch_size, steps_per_call=training.truncate_steps)


def loss_of(architecture: ModuleType, spec: ExampleSpec, training: "Training") -> Any:
    """The loss that an architecture declares; where it declares none, that of all it is asked for."""
    value_loss = training.value_loss or "mse"
    if hasattr(architecture, "loss"):
        return architecture.loss(spec, training.label_smoothing, value_loss)
    from pipeline.layers.answers import AnswerLoss

    return AnswerLoss(spec, training.label_smoothing, value_loss)


def carried_state(model: "keras.Model") -> list[Any]:
    """The variables in which stateful layers carry their state from call to call."""
    return [weight for weight in model.non_trainable_weights if weight.name.startswith("carried_")]


def reset_carried_state(model: "keras.Model") -> None:
    """Set the state that stateful layers carry to zero: saved weights hold what was learned and nothing else."""
    for weight in carried_state(model):
        weight.assign(np.zeros(weight.shape, dtype=np.float32))


def network_outputs(model: "keras.Model", spec: ExampleSpec, inputs: Array) -> Array:
    """The network's own outputs for `inputs`, a stateful one being taken through the steps call by call."""
    if spec.steps_per_call is None:
        return np.asarray(model.predict_on_batch(inputs))
    outputs = []
    for start in range(0, inputs.shape[1], spec.steps_per_call):
        first = np.full((len(inputs), 1), float(start == 0), dtype=np.float32)
        outputs.append(np.asarray(model.predict_on_batch([inputs[:, start : start + spec.steps_per_call], first])))
    return np.concatenate(outputs, axis=1)
