"""Training CIFAR-10's published network, flips and turns included: our loop against a plain Keras script."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, more, race, shortest
from benchmarks.training import train_network

TITLE = "train TFLearn's network for CIFAR-10 on coloured images of 32 x 32"
UNIT = "images/s"
NUM_IMAGES, BATCH_SIZE, SEED = 4096, 96, 1
NETWORK = {"filters": [32, 64], "convolutions": [1, 2], "kernel_size": 3, "dense": 512, "dropout": 0.5}
INPUT = {"standardize": True, "flip": True, "rotation": 25}
STEPS, QUICK_STEPS = 60, 8
ROUNDS, QUICK_ROUNDS = 5, 2
LEAST_KERAS = 1.0


def rows(quick: bool) -> list[Row]:
    """Both train on the same images, one running at a time."""
    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder))
        started = {name: Contestant("images", name, folder, str(steps)) for name in ("ours", "keras")}
        with contestants(**started) as racing:
            seconds = shortest(race(racing, rounds))
    rate = {name: steps * BATCH_SIZE / found for name, found in seconds.items()}
    return [more("Keras, the same network", rate["ours"], rate["keras"], UNIT, LEAST_KERAS)]


def _draw(folder: Path) -> None:
    from pipeline.datasets import coloured_shapes
    from pipeline.stages.generate import generate

    splits = {"train": NUM_IMAGES, "validation": BATCH_SIZE, "test": BATCH_SIZE}
    generate("images", coloured_shapes, coloured_shapes.Parameters(), SEED, splits, folder / "images")


def train_ours(folder: str, steps: str) -> None:
    from pipeline.models import cnn

    train_network(cnn, NETWORK | INPUT, Path(folder, "images"), "images", BATCH_SIZE, steps)


def train_keras(folder: str, steps: str) -> None:
    """The network as the tutorials write it, on an array of all images."""
    import keras

    from pipeline.dataset import Dataset

    watch = Stopwatch(int(steps))
    arrays = Dataset(Path(folder, "images")).split("train")
    images, labels = arrays["x"].astype("float32") / 255, arrays["y"].astype("int32")
    normalization = keras.layers.Normalization(axis=-1)
    normalization.adapt(images)

    def convolution(filters: int) -> Any:
        return keras.layers.Conv2D(filters, 3, padding="same", activation="relu")

    model = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(25 / 360, fill_mode="nearest"),
            normalization,
            convolution(32),
            keras.layers.MaxPooling2D(2),
            convolution(64),
            convolution(64),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(images, labels, batch_size=BATCH_SIZE, epochs=1000, verbose=0, callbacks=[stop])


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras}[sys.argv[1]](*sys.argv[2:])
