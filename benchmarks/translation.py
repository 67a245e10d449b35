"""Training a translator of published size: our loop in buckets, a plain Keras script, and eager PyTorch.

Sentences are drawn: words by their rank (Zipf), lengths as in descriptions of pictures, of which the longest is three
times the mean. Counted are target tokens that are no padding, in a second.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Row, Stopwatch, contestants, largest_rate, more, race
from benchmarks.peers import peer_python

VOCABULARY_SIZE, BATCH_SIZE, NUM_SENTENCES, LONGEST = 8000, 128, 12_800, 40
UNITS, LAYERS, DROPOUT, LEARNING_RATE = 128, 2, 0.2, 0.001
BUCKET, NUM_THREADS = 20, 2
TITLE = f"train {LAYERS} x LSTM({UNITS}) with scaled attention, V = {VOCABULARY_SIZE:,}, batch {BATCH_SIZE}"
UNIT = "tokens/s"
STEPS, QUICK_STEPS = 40, 4
ROUNDS, QUICK_ROUNDS = 5, 1
LEAST_KERAS, LEAST_PYTORCH = 1.5, 1.0
BATCHES_FILE = "batches.npz"
Batch = tuple[Any, Any, Any]


def rows(quick: bool) -> list[Row]:
    """One race of all; those `in buckets` are given the very batches that our loop makes."""
    steps, rounds = str(QUICK_STEPS if quick else STEPS), QUICK_ROUNDS if quick else ROUNDS
    torch_python, reason = peer_python()
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder))
        started = {name: Contestant("translation", name, folder, steps) for name in ("ours", "keras", "bucketed")}
        if torch_python:
            started["pytorch"] = Contestant("translation_torch", folder, steps, python=torch_python)
        with contestants(**started) as racing:
            rate = largest_rate(race(racing, rounds))
    table = [
        more("Keras, all sentences padded to the longest", rate["ours"], rate["keras"], UNIT, LEAST_KERAS),
        more("Keras, the same batches in buckets", rate["ours"], rate["bucketed"], UNIT, None),
    ]
    title = "PyTorch, the same batches in buckets"
    if torch_python:
        return [*table, more(title, rate["ours"], rate["pytorch"], UNIT, LEAST_PYTORCH)]
    return [*table, Row(title, f"{rate['ours']:.0f} {UNIT}", f"skipped: {reason}")]


def _draw(folder: Path) -> None:
    """Store the sentences as a dataset, and the batches of one pass over them in buckets."""
    from pipeline.dataset import END, PADDING, START, UNKNOWN, Dataset, Description, TextAnswers, save_dataset

    rng = np.random.default_rng(1)
    splits = {}
    for split, number in (("train", NUM_SENTENCES), ("validation", BATCH_SIZE), ("test", BATCH_SIZE)):
        length = np.clip(np.round(rng.lognormal(np.log(12), 0.35, number)), 3, LONGEST).astype(np.int32)
        y_length = np.clip(length + rng.integers(-2, 3, number), 3, LONGEST).astype(np.int32)
        splits[split] = {
            **{"x": _words(rng, length), "length": length, "y": _words(rng, y_length), "y_length": y_length},
            "reference": np.zeros((number, 1), np.uint8),
        }
    vocabulary = [PADDING, UNKNOWN, START, END, *(f"w{number}" for number in range(4, VOCABULARY_SIZE))]
    description = Description(
        text="sentences for timing",
        layout="texts",
        vocabulary=vocabulary,
        tokenizer="spaces",
        padded=True,
        answers=TextAnswers(vocabulary=vocabulary, tokenizer="spaces"),
    )
    save_dataset(folder / "pairs", splits, description, source="timing", seed=0, parameters={})
    batches = _batches(Dataset(folder / "pairs"), "train").epoch(0)
    stored = {
        f"{number}_{part}": each for number, batch in enumerate(batches) for part, each in enumerate(_flat(batch))
    }
    np.savez(folder / BATCHES_FILE, **stored)


def _words(rng: np.random.Generator, length: Any) -> Any:
    """Indices of words [N, LONGEST], the frequent ones first: nearly as often as in a language."""
    words = 3 + (VOCABULARY_SIZE - 3) ** rng.random((len(length), LONGEST))
    return np.where(np.arange(LONGEST)[None] < length[:, None], words, 0).astype(np.uint16)


def _training() -> Any:
    from pipeline.training import Training

    options = {"learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "bucket": BUCKET, "num_threads": NUM_THREADS}
    return Training.model_validate(options | {"steps": 10_000, "validate_every": 10_000})


def _batches(dataset: Any, split: str) -> Any:
    from pipeline.training import split_batches
    from pipeline.views import VIEWS

    return split_batches(dataset, split, VIEWS["text_to_text"], _training(), seed=1)


def _flat(batch: Any) -> Batch:
    (source, previous), targets = batch
    return source, previous, targets


def stored_batches(folder: str) -> Iterator[Batch]:
    """Source, tokens so far and targets of the batches in buckets, again and again."""
    with np.load(Path(folder, BATCHES_FILE)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    while True:
        for number in range(len(arrays) // 3):
            yield arrays[f"{number}_0"], arrays[f"{number}_1"], arrays[f"{number}_2"]


def tokens_of(targets: Any) -> int:
    """How many tokens are asked for."""
    return int(np.count_nonzero(targets >= 0))


def train_ours(folder: str, steps: str) -> None:
    """The project's loop and network, made long enough for any number of rounds."""
    from pipeline.dataset import Dataset
    from pipeline.models import seq2seq
    from pipeline.network import loss_of, prepare_backend
    from pipeline.training import fit
    from pipeline.training_bar import Silent

    watch, training = Stopwatch(int(steps)), _training()
    dataset = Dataset(Path(folder, "pairs"))
    train, validation = (_batches(dataset, split) for split in ("train", "validation"))
    amounts = (tokens_of(targets) for _, targets in train.endless())

    class Listener(Silent):
        def on_step(self, step: int, num_steps: int, loss: float) -> None:
            watch.step(next(amounts))

    prepare_backend(training, seed=1)
    spec = train.view.spec(dataset.card, dataset.card.example_shape())
    network = {"units": [UNITS] * LAYERS, "embedding": UNITS, "dropout": DROPOUT, "attention": "scaled"}
    model = seq2seq.build(seq2seq.Parameters.model_validate(network), spec)
    sys.stdin.readline()
    fit(model, loss_of(seq2seq, spec, training), training, train, validation, [Listener()])


def train_keras(folder: str, steps: str) -> None:
    """The network as the tutorials write it, on arrays of all sentences."""
    from pipeline.dataset import Dataset

    watch = Stopwatch(int(steps))
    model = _keras_network()
    train = _batches(Dataset(Path(folder, "pairs")), "train")
    source, previous = train.view.training_inputs(train.arrays, train.description)
    targets = train.view.targets(train.arrays, train.description)
    asked = (targets >= 0).astype(np.float32)
    a_step = tokens_of(targets) / len(targets) * BATCH_SIZE
    import keras

    follow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step(a_step))
    sys.stdin.readline()
    options = {"batch_size": BATCH_SIZE, "epochs": 1000, "verbose": 0, "callbacks": [follow]}
    model.fit((source, previous), np.maximum(targets, 0), sample_weight=asked, **options)


def train_bucketed(folder: str, steps: str) -> None:
    """The same, given batches."""
    watch = Stopwatch(int(steps))
    model = _keras_network()
    sys.stdin.readline()
    for source, previous, targets in stored_batches(folder):
        asked = (targets >= 0).astype(np.float32)
        model.train_on_batch((source, previous), np.maximum(targets, 0), sample_weight=asked)
        watch.step(tokens_of(targets))


def _keras_network() -> Any:
    """Layers of Keras, scores and masks of its attention among them."""
    from pipeline.network import prepare_backend

    prepare_backend(_training().model_copy(update={"deterministic": False}), seed=1)
    import keras

    source, previous = (keras.Input((None,), dtype="int32") for _ in range(2))
    words = keras.layers.Embedding(VOCABULARY_SIZE, UNITS, mask_zero=True)(source)
    memory, states = keras.layers.Dropout(DROPOUT)(words), []
    for layer in range(LAYERS):
        memory = keras.layers.Dropout(DROPOUT)(memory) if layer else memory
        memory, *state = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)(memory)
        states.append(state)
    decoded = keras.layers.Dropout(DROPOUT)(keras.layers.Embedding(VOCABULARY_SIZE, UNITS, mask_zero=True)(previous))
    for layer in range(LAYERS):
        decoded = keras.layers.Dropout(DROPOUT)(decoded) if layer else decoded
        decoded = keras.layers.LSTM(UNITS, return_sequences=True)(decoded, initial_state=states[layer])
    keys = keras.layers.Dense(UNITS, use_bias=False)(memory)
    context = keras.layers.Attention(use_scale=True)([decoded, memory, keys])
    vector = keras.layers.Dense(UNITS, "tanh", use_bias=False)(keras.layers.Concatenate()([context, decoded]))
    logits = keras.layers.Dense(VOCABULARY_SIZE, use_bias=False)(keras.layers.Dropout(DROPOUT)(vector))
    model = keras.Model([source, previous], logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=False)
    return model


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras, "bucketed": train_bucketed}[sys.argv[1]](*sys.argv[2:])
