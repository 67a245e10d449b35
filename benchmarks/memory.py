"""The memory demonstration: thousands of updates of one step each, with the state carried, as published and as here.

Both start from the same weights and make the same updates in the same order; that they end with the same weights is
part of the measurement.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import Row, answer, faster, measured

VARIANT = "memory_lstm"
TITLE = f"train {VARIANT}, one step an update, tracing included"
EPOCHS, QUICK_EPOCHS = 250, 25
ROUNDS, QUICK_ROUNDS = 3, 1
LEARNING_RATE = 0.001
STEPS_PER_EXECUTION = 200
LEAST, MOST_DIFFERENCE = 15, 1e-4


def rows(quick: bool) -> list[Row]:
    """Each contestant in a new process every round: building and tracing count, imports do not."""
    epochs, rounds = (QUICK_EPOCHS, QUICK_ROUNDS) if quick else (EPOCHS, ROUNDS)
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "published": []}
    for _ in range(rounds):
        for name, answers in found.items():
            answers.append(measured("memory", name, str(epochs)))
    seconds = {name: min(each["seconds"] for each in answers) for name, answers in found.items()}
    weights = {name: answers[0]["weights"] for name, answers in found.items()}
    difference = max(abs(a - b) for a, b in zip(weights["ours"], weights["published"], strict=True))
    updates = f"{found['ours'][0]['updates']:,} updates"
    return [
        faster(f"{updates}: stateful Keras LSTM", seconds["ours"], seconds["published"], "s", LEAST),
        Row(
            f"{updates}: largest difference of the final weights",
            f"{difference:.1e}",
            bar=f"< {MOST_DIFFERENCE:.0e}",
            met=difference < MOST_DIFFERENCE,
        ),
    ]


def published_network(units: int, num_symbols: int) -> Any:
    """A stateful LSTM that is given one step at a time."""
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(1, 1, num_symbols)),
            keras.layers.LSTM(units, stateful=True),
            keras.layers.Dense(num_symbols, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def _draw(folder: str) -> tuple[Any, Any]:
    """The variant's block and its dataset."""
    from pipeline import config
    from pipeline.dataset import Dataset
    from pipeline.plugins import load_plugin
    from pipeline.stages.generate import generate

    variant = config.variant_block(VARIANT)
    block = config.dataset_block(variant.dataset)
    source = load_plugin("datasets", block.source, "params.yaml")
    target = Path(folder, variant.dataset)
    generate(variant.dataset, source, block.parameters, block.seed, block.splits.model_dump(), target)
    return variant, Dataset(target)


def train_published(folder: str, epochs: int) -> None:
    """One `fit` for each sequence of each epoch, the state reset between them."""
    import keras

    variant, dataset = _draw(folder)
    sequences = dataset.split("train")["x"]
    started = time.perf_counter()
    model = published_network(variant.network.units, len(dataset.card.vocabulary))
    encoded = keras.utils.to_categorical(sequences, len(dataset.card.vocabulary))
    for _ in range(epochs):
        for sequence in encoded:
            model.fit(sequence[:-1, None], sequence[1:], epochs=1, batch_size=1, shuffle=False, verbose=0)
            model.layers[0].reset_state()
    seconds = time.perf_counter() - started
    answer(seconds=seconds, weights=_flat(model.trainable_weights))


def train_ours(folder: str, epochs: int) -> None:
    """The project's loop, told to make the same updates."""
    from pipeline.network import loss_of, network_spec, prepare_backend
    from pipeline.plugins import load_plugin
    from pipeline.training import Training, fit, split_batches
    from pipeline.views import open_view

    variant, dataset = _draw(folder)
    view = open_view(variant.view, dataset.card, "params.yaml")
    num_updates = epochs * dataset.split("train")["x"][:, 1:].size
    training = Training(
        learning_rate=LEARNING_RATE,
        batch_size=1,
        truncate_steps=1,
        shuffle=False,
        steps=num_updates,
        validate_every=num_updates,
        steps_per_execution=STEPS_PER_EXECUTION,
        keep="last",
    )
    prepare_backend(training, variant.seed)
    weights = published_network(variant.network.units, len(dataset.card.vocabulary)).get_weights()
    architecture = load_plugin("models", variant.model, "params.yaml")
    started = time.perf_counter()
    spec = network_spec(view, dataset, training)
    model = architecture.build(variant.network, spec)
    for weight, value in zip(model.trainable_weights, weights, strict=True):
        weight.assign(value)
    batches = (split_batches(dataset, split, view, training, variant.seed) for split in ("train", "validation"))
    fitted = fit(model, loss_of(architecture, spec, training), training, *batches, [])
    seconds = time.perf_counter() - started
    answer(seconds=seconds, weights=_flat(model.trainable_weights), updates=fitted.num_updates)


def _flat(weights: list[Any]) -> list[float]:
    return [float(value) for weight in weights for value in weight.numpy().ravel()]


if __name__ == "__main__":
    import keras  # noqa: F401  before the clock starts

    with tempfile.TemporaryDirectory() as temporary:
        {"ours": train_ours, "published": train_published}[sys.argv[1]](temporary, int(sys.argv[2]))
