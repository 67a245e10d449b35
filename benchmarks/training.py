"""Training the CNN-LSTM on moving-square clips: the stage `train`, a plain Keras script, and eager PyTorch."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Contestant, Row, Stopwatch, below, contestants, more, race, shortest
from benchmarks.peers import peer_python

if TYPE_CHECKING:
    from pipeline.network import Network
    from pipeline.training import Training

VARIANT = "moving_square_cnn_lstm"
TITLE = f"train {VARIANT}"
UNIT = "clips/s"
NUM_CLIPS = 1024  # 512 MB as frames, which only the peers need to hold
STEPS, QUICK_STEPS = 30, 8
ROUNDS, QUICK_ROUNDS = 5, 2
SEED = 1
LEAST_KERAS, LEAST_PYTORCH, MOST_MEGABYTES = 4, 2, 2000


def rows(quick: bool) -> list[Row]:
    """All contestants alive at once, one of them running at a time."""
    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    torch_python, reason = peer_python()
    with tempfile.TemporaryDirectory() as folder:
        batch_size = draw(VARIANT, NUM_CLIPS, Path(folder))
        arguments = (folder, str(steps), str(batch_size))
        started = {name: Contestant("training", name, *arguments) for name in ("ours", "keras")}
        if torch_python:
            started["pytorch"] = Contestant("training_torch", *arguments, python=torch_python)
        with contestants(**started) as racing:
            found = race(racing, rounds)
    peak = {name: max(each["peak_megabytes"] for each in answers) for name, answers in found.items()}
    rate = {name: steps * batch_size / seconds for name, seconds in shortest(found).items()}
    table = [more("Keras, TimeDistributed", rate["ours"], rate["keras"], UNIT, LEAST_KERAS)]
    if torch_python:
        table.append(more("PyTorch, eager", rate["ours"], rate["pytorch"], UNIT, LEAST_PYTORCH))
    else:
        table.append(Row("PyTorch, eager", f"{rate['ours']:.0f} {UNIT}", f"skipped: {reason}"))
    return [*table, below("peak memory, and Keras'", peak["ours"], MOST_MEGABYTES, "MB", peak["keras"])]


def draw(name: str, num_examples: int, folder: Path) -> int:
    """Store so many training examples for the variant `name`; returns its batch size."""
    from pipeline import config
    from pipeline.plugins import load_plugin
    from pipeline.stages.generate import generate

    variant = config.variant_block(name)
    block = config.dataset_block(variant.dataset)
    source = load_plugin("datasets", block.source, "params.yaml")
    splits = {"train": num_examples, "validation": 1, "test": 1}
    generate(variant.dataset, source, block.parameters, block.seed, splits, folder / variant.dataset)
    return variant.training.batch_size


def train_stage(name: str, folder: str, steps: str) -> None:
    """The stage's own loop with the variant's own block, made long enough for any number of rounds."""
    from pipeline import config
    from pipeline.network import open_network
    from pipeline.places import Places

    watch = Stopwatch(int(steps))
    block = config.variant_block(name)
    training = block.training.model_copy(update={"epochs": None, "steps": 10_000, "validate_every": 10_000})
    places = replace(Places.of(name, block.dataset), dataset=Path(folder, block.dataset))
    network = open_network(name, block.model_copy(update={"training": training}), places)
    _fit(network, training, block.seed, watch)


def train_network(
    architecture: ModuleType, parameters: dict[str, Any], path: Path, view: str, batch_size: int, steps: str
) -> None:
    """The same loop with a network that is no variant's, on the dataset in `path`."""
    from pipeline.dataset import Dataset
    from pipeline.network import Network, network_spec, prepare_backend
    from pipeline.training import Training
    from pipeline.views import VIEWS

    watch = Stopwatch(int(steps))
    training = Training(learning_rate=0.001, batch_size=batch_size, steps=10_000, validate_every=10_000)
    prepare_backend(training, SEED)
    dataset = Dataset(path)
    spec = network_spec(VIEWS[view], dataset, training)
    model = architecture.build(architecture.Parameters.model_validate(parameters), spec)
    _fit(Network(dataset, architecture, VIEWS[view], spec, model), training, SEED, watch)


def _fit(network: "Network", training: "Training", seed: int, watch: Stopwatch) -> None:
    """Train when told to on standard input, and count the updates."""
    from pipeline.network import loss_of
    from pipeline.training import fit, split_batches
    from pipeline.training_bar import Silent

    class Listener(Silent):
        def on_step(self, step: int, num_steps: int, loss: float) -> None:
            watch.step()

    splits = ("train", "validation")
    batches = (split_batches(network.dataset, split, network.view, training, seed) for split in splits)
    loss = loss_of(network.architecture, network.spec, training)
    sys.stdin.readline()
    fit(network.model, loss, training, *batches, [Listener()])


def train_ours(folder: str, steps: str, _: str) -> None:
    train_stage(VARIANT, folder, steps)


def train_keras(folder: str, steps: str, batch_size: str) -> None:
    """The network as the tutorials write it, on arrays that hold all frames."""
    import keras

    from pipeline.dataset import Dataset
    from pipeline.views import VIEWS

    watch = Stopwatch(int(steps))
    (path,) = Path(folder).iterdir()
    dataset = Dataset(path)
    arrays = dataset.split("train")
    clips, labels = VIEWS["frames"].inputs(arrays, dataset.card), arrays["y"].astype("float32")

    def each_frame(layer: Any) -> Any:
        return keras.layers.TimeDistributed(layer)

    model = keras.Sequential(
        [
            keras.Input(clips.shape[1:]),
            each_frame(keras.layers.Conv2D(2, 2, activation="relu")),
            each_frame(keras.layers.MaxPooling2D(2)),
            each_frame(keras.layers.Flatten()),
            keras.layers.LSTM(50),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(clips, labels, batch_size=int(batch_size), epochs=1000, verbose=0, callbacks=[stop])


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras}[sys.argv[1]](*sys.argv[2:])
