"""Training networks of clips: the stage `train`, a plain Keras script of the same network, and eager PyTorch.

The plain scripts are as the tutorials write them: every layer that reads a frame in a `TimeDistributed`, `Conv3D`,
`ConvLSTM2D`; all clips lie in memory as floats.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, more, race, shortest
from benchmarks.peers import peer_python
from benchmarks.training import draw, train_stage

TITLE = "train networks of clips"
VARIANTS = {"3D CNN": "video_conv3d", "ConvLSTM": "video_conv_lstm", "CNN and LSTM": "video_cnn_lstm"}
UNIT = "clips/s"
NUM_CLIPS = 1024
STEPS, QUICK_STEPS = 25, 4
ROUNDS, QUICK_ROUNDS = 12, 1
LEAST = 1


def rows(quick: bool) -> list[Row]:
    """A race for each network, all contestants alive at once, one of them running at a time."""
    from pipeline import config

    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    torch_python, reason = peer_python()
    table = []
    for title, variant in VARIANTS.items():
        block = config.variant_block(variant)
        network = json.dumps(block.network.model_dump(mode="json"))
        with tempfile.TemporaryDirectory() as folder:
            batch_size = draw(variant, NUM_CLIPS, Path(folder))
            arguments = (variant, folder, str(steps), str(batch_size), network)
            started = {name: Contestant("video", name, *arguments) for name in ("ours", "keras")}
            if torch_python:
                started["pytorch"] = Contestant("video_torch", *arguments, python=torch_python)
            with contestants(**started) as racing:
                seconds = shortest(race(racing, rounds))
        rate = {name: steps * batch_size / found for name, found in seconds.items()}
        table.append(more(f"Keras, {title}", rate["ours"], rate["keras"], UNIT, LEAST))
        if torch_python:
            table.append(more(f"PyTorch, {title}", rate["ours"], rate["pytorch"], UNIT, LEAST))
        else:
            table.append(Row(f"PyTorch, {title}", f"{rate['ours']:.0f} {UNIT}", f"skipped: {reason}"))
    return table


def train_ours(variant: str, folder: str, steps: str, *_: str) -> None:
    train_stage(variant, folder, steps)


def train_keras(variant: str, folder: str, steps: str, batch_size: str, network: str) -> None:
    """A network of Keras' own layers, on arrays that hold all frames."""
    import keras

    from pipeline.dataset import Dataset
    from pipeline.views import VIEWS

    watch = Stopwatch(int(steps))
    (path,) = Path(folder).iterdir()
    dataset = Dataset(path)
    arrays = dataset.split("train")
    clips, labels = VIEWS["clips"].inputs(arrays, dataset.card), arrays["y"].astype("int32")
    layers = {"video_conv3d": _conv3d, "video_conv_lstm": _conv_lstm, "video_cnn_lstm": _cnn_lstm}[variant]
    answer = keras.layers.Dense(len(dataset.card.classes or []), activation="softmax")
    model = keras.Sequential([keras.Input(clips.shape[1:]), *layers(json.loads(network)), answer])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(clips, labels, batch_size=int(batch_size), epochs=1000, verbose=0, callbacks=[stop])


def _conv3d(network: dict[str, Any]) -> list[Any]:
    import keras

    layers: list[Any] = []
    for place, filters in enumerate(network["filters"]):
        pool = (2 if place else 1, 2, 2)
        layers.append(keras.layers.Conv3D(filters, network["kernel_size"], padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling3D(pool, padding="same"))
    return [*layers, keras.layers.GlobalMaxPooling3D()]


def _conv_lstm(network: dict[str, Any]) -> list[Any]:
    import keras

    lstm = keras.layers.ConvLSTM2D(network["units"], network["kernel_size"], padding="same")
    return [*_each_frame(network), lstm, keras.layers.GlobalMaxPooling2D()]


def _cnn_lstm(network: dict[str, Any]) -> list[Any]:
    import keras

    flat = keras.layers.TimeDistributed(keras.layers.Flatten())
    return [*_each_frame(network), flat, keras.layers.LSTM(network["units"])]


def _each_frame(network: dict[str, Any]) -> list[Any]:
    import keras

    layers: list[Any] = []
    for filters in network["filters"]:
        layers.append(keras.layers.Conv2D(filters, network["kernel_size"], activation="relu"))
        layers.append(keras.layers.MaxPooling2D(network["pool_size"]))
    return [keras.layers.TimeDistributed(layer) for layer in layers]


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras}[sys.argv[1]](*sys.argv[2:])
