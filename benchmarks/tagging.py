"""Training the tagger with its conditional random field: the stage `train`, and a plain Keras script that has none."""

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, more, race, shortest

VARIANT = "entities_crf"
TITLE = f"train {VARIANT}, against the same network without its field"
UNIT = "tokens/s"
NUM_SENTENCES = 3200
STEPS, QUICK_STEPS = 60, 8
ROUNDS, QUICK_ROUNDS = 5, 2


@dataclass(frozen=True)
class Size:
    """Parts of the longest sentence, and the width of the word vectors and of the recurrent layer."""

    longest: int
    width: int
    least: float


SIZES = (Size(20, 32, least=1), Size(60, 100, least=1))


def rows(quick: bool) -> list[Row]:
    """A race for each size, on the same sentences in the same batches; tokens are those that are no padding."""
    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    table = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            tokens_a_step = _draw(Path(folder), size)
            arguments = (folder, str(steps), str(size.width))
            with contestants(**{name: Contestant("tagging", name, *arguments) for name in ("ours", "keras")}) as racing:
                seconds = shortest(race(racing, rounds))
        rate = {name: steps * tokens_a_step / found for name, found in seconds.items()}
        title = f"Keras without a field, {size.width} units, sentences of up to {size.longest} words"
        table.append(more(title, rate["ours"], rate["keras"], UNIT, size.least))
    return table


def _draw(folder: Path, size: Size) -> float:
    """Store the sentences; returns how many tokens a batch has on average."""
    from pipeline import config
    from pipeline.dataset import Dataset
    from pipeline.plugins import load_plugin
    from pipeline.stages.generate import generate

    variant = config.variant_block(VARIANT)
    block = config.dataset_block(variant.dataset)
    source = load_plugin("datasets", block.source, "params.yaml")
    parameters = block.parameters.model_copy(update={"longest": size.longest})
    splits = {"train": NUM_SENTENCES, "validation": 1, "test": 1}
    generate(variant.dataset, source, parameters, block.seed, splits, folder / variant.dataset)
    lengths = Dataset(folder / variant.dataset).split("train")["length"]
    return float(lengths.mean()) * variant.training.batch_size


def train_ours(folder: str, steps: str, width: str) -> None:
    """The stage's own loop with the variant's own block, made long enough for any number of rounds."""
    from pipeline import config
    from pipeline.network import loss_of, open_network
    from pipeline.places import Places
    from pipeline.training import fit, split_batches
    from pipeline.training_bar import Silent

    watch = Stopwatch(int(steps))

    class Listener(Silent):
        def on_step(self, step: int, num_steps: int, loss: float) -> None:
            watch.step()

    block = config.variant_block(VARIANT)
    network_block = block.network.model_copy(update={"embedding": int(width), "units": int(width)})
    training = block.training.model_copy(update={"epochs": None, "steps": 10_000, "validate_every": 10_000})
    block = block.model_copy(update={"training": training, "network": network_block})
    places = replace(Places.of(VARIANT, block.dataset), dataset=Path(folder, block.dataset))
    network = open_network(VARIANT, block, places)
    loss = loss_of(network.architecture, network.spec, training)
    batches = (
        split_batches(network.dataset, split, network.view, training, block.seed) for split in ("train", "validation")
    )
    sys.stdin.readline()
    fit(network.model, loss, training, *batches, [Listener()])


def train_keras(folder: str, steps: str, width: str) -> None:
    """The network as a tutorial writes it: layers of Keras, a softmax for each token, padding left out by its mask."""
    from pipeline.config import variant_block
    from pipeline.dataset import Dataset
    from pipeline.network import prepare_backend

    block = variant_block(VARIANT)
    prepare_backend(block.training.model_copy(update={"deterministic": False}), seed=1)
    import keras

    watch = Stopwatch(int(steps))
    dataset = Dataset(Path(folder, block.dataset))
    arrays = dataset.split("train")
    words, tags = arrays["x"].astype("int32"), arrays["y"].astype("int32")
    dropout, size = block.network.dropout, int(width)
    layers: list[Any] = [
        keras.layers.Embedding(len(dataset.card.vocabulary or []), size, mask_zero=True),
        keras.layers.Dropout(dropout),
        keras.layers.Bidirectional(keras.layers.LSTM(size, return_sequences=True)),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(len(dataset.card.classes or []), activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *layers])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(words, tags, batch_size=block.training.batch_size, epochs=1000, verbose=0, callbacks=[follow])


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras}[sys.argv[1]](*sys.argv[2:])
