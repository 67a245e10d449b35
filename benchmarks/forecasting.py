"""Training the forecast of two coupled series: the stage `train`, and a plain Keras script of the same network."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, more, race, shortest
from benchmarks.training import draw, train_stage

VARIANT = "coupled_gru"
TITLE = f"train {VARIANT}"
UNIT = "windows/s"
NUM_WINDOWS = 4000
STEPS, QUICK_STEPS = 100, 10
ROUNDS, QUICK_ROUNDS = 5, 1
LEAST_KERAS = 1


def rows(quick: bool) -> list[Row]:
    """Both alive at once, one of them running at a time."""
    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        batch_size = draw(VARIANT, NUM_WINDOWS, Path(folder))
        started = {name: Contestant("forecasting", name, folder, str(steps)) for name in ("ours", "keras")}
        with contestants(**started) as racing:
            found = race(racing, rounds)
    rate = {name: steps * batch_size / seconds for name, seconds in shortest(found).items()}
    return [more("Keras, the same GRU and decoder", rate["ours"], rate["keras"], UNIT, LEAST_KERAS)]


def train_ours(folder: str, steps: str) -> None:
    train_stage(VARIANT, folder, steps)


def train_keras(folder: str, steps: str) -> None:
    """The same network, optimizer and windows as a script would have them: arrays and `fit`."""
    import keras

    from pipeline import config
    from pipeline.dataset import Dataset
    from pipeline.views import VIEWS

    block = config.variant_block(VARIANT)
    training, parameters = block.training, block.network
    dataset, view = Dataset(Path(folder, block.dataset)), VIEWS[block.view]
    arrays = dataset.split("train")
    inputs, targets = view.inputs(arrays, dataset.card), view.targets(arrays, dataset.card)

    given = keras.Input((None, inputs.shape[-1]))
    features: Any = given
    *before, last = parameters.units
    for units in before:
        features = keras.layers.GRU(units, return_sequences=True)(features)
    vector = keras.layers.GRU(last)(features)
    ahead = keras.layers.Reshape(targets.shape[1:])(keras.layers.Dense(targets[0].size)(vector))
    model = keras.Model(given, ahead + given[:, -1:])
    updates = training.epochs * (len(inputs) // training.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, updates)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=training.clip_norm), loss="mse")
    watch = Stopwatch(int(steps))
    follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(inputs, targets, batch_size=training.batch_size, epochs=10_000, verbose=0, callbacks=[follow])


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras}[sys.argv[1]](*sys.argv[2:])
