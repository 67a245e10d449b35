"""The character language model: training next to a plain Keras script, and how fast its export writes on one core."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Row, Stopwatch, answer, contestants, measured, more, race, shortest

UNITS, DROPOUT = (256, 256), 0.2
SYMBOLS, STEPS, BATCH_SIZE = 66, 100, 32
NUM_WINDOWS = 1024
TITLE = f"a character language model, {len(UNITS)} LSTMs of {UNITS[0]} units, windows of {STEPS}"
UNIT = "characters/s"
NUM_THREADS = 2
UPDATES, QUICK_UPDATES = 12, 3
ROUNDS, QUICK_ROUNDS = 5, 1
WRITTEN, QUICK_WRITTEN = 6000, 600
LEAST_KERAS, LEAST_WRITTEN = 1, 6000
TEMPERATURE = 0.5


def rows(quick: bool) -> list[Row]:
    """The race of the trainings; then the writing, each round in a process of its own."""
    updates, rounds = (QUICK_UPDATES, QUICK_ROUNDS) if quick else (UPDATES, ROUNDS)
    started = {name: Contestant("language", name, str(updates)) for name in ("ours", "keras")}
    with contestants(**started) as racing:
        seconds = shortest(race(racing, rounds))
    rate = {name: updates * BATCH_SIZE * STEPS / found for name, found in seconds.items()}
    num_written = str(QUICK_WRITTEN if quick else WRITTEN)
    found = [measured("language", "write", num_written)["rate"] for _ in range(rounds)]
    return [
        more(f"train, batch {BATCH_SIZE}: Keras on one-hot arrays", rate["ours"], rate["keras"], UNIT, LEAST_KERAS),
        Row(
            "sample on one core, drawing included",
            f"{max(found):.0f} {UNIT}",
            bar=f">= {LEAST_WRITTEN} {UNIT}",
            met=max(found) >= LEAST_WRITTEN,
        ),
    ]


def windows() -> Any:
    """Symbols by chance [N, STEPS + 1]; how fast they are learned is not asked."""
    return np.random.default_rng(1).integers(0, SYMBOLS, (NUM_WINDOWS, STEPS + 1)).astype(np.uint8)


def our_network() -> tuple[Any, Any, Any, Any]:
    """Architecture, its parameters, what it sees, and the network."""
    from pipeline.models import language_model
    from pipeline.views import ExampleSpec

    parameters = language_model.Parameters(units=list(UNITS), dropout=DROPOUT)
    spec = ExampleSpec((None,), SYMBOLS, "a label at each step", vocabulary_size=SYMBOLS)
    return language_model, parameters, spec, language_model.build(parameters, spec)


def train_ours(updates: int) -> None:
    """The stage's own loop on indices."""
    from pipeline.batches import Batches
    from pipeline.dataset import Description
    from pipeline.network import loss_of, prepare_backend
    from pipeline.training import Training, fit
    from pipeline.training_bar import Silent
    from pipeline.views import VIEWS

    watch = Stopwatch(updates)

    class Listener(Silent):
        def on_step(self, step: int, num_steps: int, loss: float) -> None:
            watch.step()

    options = {"learning_rate": 0.001, "clip_norm": 1.0, "batch_size": BATCH_SIZE, "num_threads": NUM_THREADS}
    training = Training.model_validate(options | {"steps": 10_000, "validate_every": 10_000})
    prepare_backend(training, seed=1)
    architecture, _, spec, model = our_network()
    described = Description(text="", layout="symbols", vocabulary=[chr(40 + symbol) for symbol in range(SYMBOLS)])
    batches = Batches({"x": windows()}, VIEWS["next_symbols"], described, BATCH_SIZE, seed=1, shuffle=True)
    sys.stdin.readline()
    fit(model, loss_of(architecture, spec, training), training, batches, batches, [Listener()])


def train_keras(updates: int) -> None:
    """The network as the tutorials write it, on one-hot arrays."""
    from pipeline.network import prepare_backend
    from pipeline.training import Training

    prepare_backend(Training(learning_rate=0.001, batch_size=BATCH_SIZE, epochs=1, num_threads=NUM_THREADS), seed=1)
    import keras

    watch = Stopwatch(updates)
    x = windows()
    layers: list[Any] = []
    for units in UNITS:
        layers += [keras.layers.LSTM(units, return_sequences=True), keras.layers.Dropout(DROPOUT)]
    model = keras.Sequential([keras.Input((None, SYMBOLS)), *layers, keras.layers.Dense(SYMBOLS, activation="softmax")])
    optimizer = keras.optimizers.Adam(0.001, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    one_hot = np.eye(SYMBOLS, dtype=np.float32)[x[:, :-1]]
    sys.stdin.readline()
    model.fit(one_hot, x[:, 1:].astype(np.int32), batch_size=BATCH_SIZE, epochs=1000, verbose=0, callbacks=[follow])


def write_text(num_characters: int) -> None:
    """What `sample` does with the exported graph, one thread, from the first character that is drawn."""
    import onnxruntime

    from pipeline.network import prepare_backend
    from pipeline.onnx_graph import write_graph
    from pipeline.sampling import CarriedState, write
    from pipeline.training import Training

    prepare_backend(Training(learning_rate=0.001, batch_size=1, epochs=1), seed=1)
    architecture, parameters, spec, model = our_network()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "step.onnx")
        write_graph(architecture.graphs(parameters, spec, model)["step"], path, "probability")
        session = onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
    text = write(CarriedState(session), [0], num_characters, TEMPERATURE, np.ones(SYMBOLS), np.random.default_rng(1))
    next(text)
    started = time.perf_counter()
    written = sum(1 for _ in text)
    answer(rate=written / (time.perf_counter() - started))


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras, "write": write_text}[sys.argv[1]](int(sys.argv[2]))
