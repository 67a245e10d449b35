"""`train@<variant>`: build the network, fit it, write weights, history and the record of what made them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pipeline.batches import Batches
from pipeline.blocks import VariantBlock
from pipeline.checkpoint import Fitted, checkpoint_of
from pipeline.dataset import Dataset
from pipeline.errors import UserError
from pipeline.files import whole_file, whole_folder, write_json
from pipeline.fingerprint import TrainingRecord, make_record, write_record
from pipeline.gradients import rows, through_time
from pipeline.network import carried_state, loss_of, open_network
from pipeline.places import GRADIENTS_FILE, HISTORY_FILE, SAMPLES_FILE, TRAIN_TIMING_FILE, WEIGHTS_FILE, Places
from pipeline.progress import say
from pipeline.samples import Samples
from pipeline.training import Listener, Training, fit, split_batches
from pipeline.validation_texts import ValidationTexts

BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


class Tracker(Protocol):
    """Who follows a training from its first update to its last."""

    @contextmanager
    def training(self, record: TrainingRecord, dataset: Dataset) -> Iterator[list[Listener]]:
        """Open the run, hand out what listens to it, close it as finished or failed."""


def train(name: str, block: VariantBlock, places: Places, tracker: Tracker, bar: Listener) -> Fitted:
    """Train a variant, or go on where an interrupted training of the same was.

    What stood in its place stays until the new weights are complete.
    """
    network = open_network(name, block, places)
    import keras

    dataset, model, training = network.dataset, network.model, block.training
    if training.truncate_steps is not None and training.truncate_steps != network.spec.num_steps:
        say(
            f"train@{name}: truncate_steps is {training.truncate_steps} of {network.spec.num_steps} steps: "
            "what lies further back than a call is carried on, but never learnt from"
        )
    if block.start != f"data/{block.dataset}":
        _load_start(model, Path(block.start), name)
    record = make_record(name, block, dataset.card, model.count_params() - _num_carried(model), keras.backend.backend())
    loss = loss_of(network.architecture, network.spec, training)
    batches, validation = (
        split_batches(dataset, split, network.view, training, block.seed) for split in ("train", "validation")
    )
    _say_padding(name, batches)
    samples = None
    if hasattr(network.architecture, "writer"):
        samples = Samples(network.architecture.writer(block.network, network.spec, model), dataset, block.seed)
    texts = None
    if network.spec.asks == "a text":
        graphs = partial(network.architecture.graphs, block.network, network.spec, model)
        texts = ValidationTexts(graphs, dataset, network.view)
    first = _gradients("first weights", training, model, loss, validation)
    with checkpoint_of(record.fingerprint) as checkpoint:
        with tracker.training(record, dataset) as listeners:
            fitted = fit(model, loss, training, batches, validation, [bar, *listeners], checkpoint, samples, texts)
            gradients = first + _gradients("last weights", training, model, loss, validation)
            _write(places, record, model, fitted, batches, gradients)
        checkpoint.clear()
    return fitted


def _say_padding(name: str, batches: Batches) -> None:
    """How much of what the network reads is padding, and how much it would be without buckets."""
    share = batches.padding_share()
    if share is None:
        return
    without = f" ({replace(batches, bucket=None).padding_share():.1%} without buckets)" if batches.bucket else ""
    say(f"train@{name}: {share:.1%} of the tokens in its batches are padding{without}")


def _gradients(when: str, training: Training, model: Any, loss: Any, batches: Batches) -> list[dict[str, Any]]:
    """The gradient through time of one batch, where it is to be recorded."""
    if not training.record_gradients:
        return []
    inputs, targets = next(batches.epoch(0))
    return rows(when, *through_time(model, loss, np.asarray(inputs), targets), training.clip_norm)


def _write(
    places: Places,
    record: TrainingRecord,
    model: Any,
    fitted: Fitted,
    batches: Batches,
    gradients: list[dict[str, Any]],
) -> None:
    with whole_folder(places.trained) as folder:
        model.save_weights(folder / WEIGHTS_FILE)
        write_record(folder, record)
        if gradients:
            pd.DataFrame(gradients).to_csv(folder / GRADIENTS_FILE, index=False, lineterminator="\n")
        if fitted.samples:
            pd.DataFrame(fitted.samples).to_csv(folder / SAMPLES_FILE, index=False, lineterminator="\n")
    with whole_file(places.reports / HISTORY_FILE) as aside:
        history_table(fitted.history).to_csv(aside, index=False, lineterminator="\n")
    examples = fitted.num_updates / batches.calls_per_epoch * batches.num_examples
    write_json(
        places.reports / TRAIN_TIMING_FILE,
        {
            "train_seconds": round(fitted.seconds, 2),
            "examples_per_second": round(examples / fitted.seconds, 1),
            "peak_megabytes": round(getrusage(RUSAGE_SELF).ru_maxrss * BYTES_OF_MAXRSS / 1e6),
            "fingerprint": record.fingerprint,
        },
    )


def history_table(history: list[dict[str, float]]) -> pd.DataFrame:
    """One row per validation, rounded to what is reproducible to the eye."""
    table = pd.DataFrame(history).round(6)
    return table.astype({"epoch": int, "step": int})


def _num_carried(model: Any) -> int:
    return sum(weight.numpy().size for weight in carried_state(model))


def _load_start(model: Any, start: Path, name: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Keras, before it raises the error that says the same
            model.load_weights(start / WEIGHTS_FILE)
    except (ValueError, OSError) as error:
        raise UserError(
            f"params.yaml: variants.{name}.start: the weights of {start} do not fit this network; "
            f"allowed: a variant of the same model and network ({' '.join(str(error).split())[:200]})"
        ) from None
