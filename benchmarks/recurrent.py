"""Training two LSTM layers and an answer: our recurrent loop, `keras.layers.LSTM`, and eager PyTorch."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, more, race, shortest
from benchmarks.peers import peer_python

TITLE = "train two LSTM layers, whole fit with Adam, same weights at the start"
UNIT = "updates/s"
FEATURES, NUM_EXAMPLES = 16, 1024
NUM_THREADS = 2
ROUNDS, QUICK_ROUNDS = 5, 1


@dataclass(frozen=True)
class Size:
    """One size: calls of the compiled function in a round, updates in each (`steps_per_execution`), the bars."""

    units: int
    steps: int
    batch_size: int
    calls: int
    updates_per_call: int = 1
    least_keras: float | None = None
    least_pytorch: float | None = None


SIZES = (
    Size(20, 10, 1, 300),
    Size(20, 10, 1, 60, updates_per_call=10, least_keras=3, least_pytorch=1),
    Size(64, 50, 32, 60, least_keras=1.4),
    Size(128, 50, 32, 40, least_keras=1.2),
    Size(256, 50, 64, 10, least_keras=1.5, least_pytorch=1),
)


def rows(quick: bool) -> list[Row]:
    """A race for each size. PyTorch has nothing like several updates a call: there, as many single ones are timed."""
    torch_python, reason = peer_python()
    table = []
    for size in SIZES:
        sizes = (str(size.units), str(size.steps), str(size.batch_size))
        updates = size.calls * size.updates_per_call
        keras = (*sizes, str(size.calls), str(size.updates_per_call))
        started = {name: Contestant("recurrent", name, *keras) for name in ("ours", "keras")}
        if torch_python:
            started["pytorch"] = Contestant("recurrent_torch", *sizes, str(updates), python=torch_python)
        with contestants(**started) as racing:
            seconds = shortest(race(racing, QUICK_ROUNDS if quick else ROUNDS))
        rate = {name: updates / found for name, found in seconds.items()}
        title = f"{size.units} units, {size.steps} steps, batch {size.batch_size}"
        title += f", {size.updates_per_call} updates a call" if size.updates_per_call > 1 else ""
        table.append(more(f"Keras, {title}", rate["ours"], rate["keras"], UNIT, size.least_keras))
        if torch_python:
            table.append(more(f"PyTorch, {title}", rate["ours"], rate["pytorch"], UNIT, size.least_pytorch))
        else:
            table.append(Row(f"PyTorch, {title}", f"{rate['ours']:.0f} {UNIT}", f"skipped: {reason}"))
    return table


def train(contestant: str, units: int, steps: int, batch_size: int, calls: int, updates_per_call: int) -> None:
    """`fit` on arrays; everything but the layers is the same for both."""
    from pipeline.network import prepare_backend
    from pipeline.training import Training

    prepare_backend(Training(learning_rate=0.001, batch_size=batch_size, epochs=1, num_threads=NUM_THREADS), seed=1)
    import keras

    from pipeline.layers.fast_lstm import FastLSTM

    layer: Any = FastLSTM if contestant == "ours" else keras.layers.LSTM
    inputs, targets = examples(steps)
    network = keras.Sequential(
        [keras.Input((None, FEATURES)), layer(units, return_sequences=True), layer(units), keras.layers.Dense(1)]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(0.001), loss="mse", jit_compile=False, steps_per_execution=updates_per_call
    )
    watch = Stopwatch(calls)
    follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    network.fit(inputs, targets, batch_size=batch_size, epochs=10_000, verbose=0, callbacks=[follow])


def examples(steps: int) -> tuple[Any, Any]:
    """Inputs [N, steps, FEATURES] and targets [N, 1]."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(NUM_EXAMPLES, steps, FEATURES)).astype(np.float32)
    return inputs, inputs[:, 0, :1] + inputs[:, -1, 1:2]


if __name__ == "__main__":
    train(sys.argv[1], *map(int, sys.argv[2:]))
