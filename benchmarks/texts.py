"""Training Kim's network for sentences, our loop against a plain Keras script; and tokenising 50,000 texts."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Row, Stopwatch, answer, below, contestants, measured, more, race, shortest
from benchmarks.training import train_network

TITLE = "train a CNN for sentences of 100 words, V = 10,000, published size; tokenise 50,000 texts"
UNIT = "texts/s"
VOCABULARY_SIZE, LENGTH, BATCH_SIZE, NUM_TEXTS = 10_000, 100, 32, 4096
NETWORK = {"embedding": 128, "filters": 128, "widths": [3, 4, 5], "dropout": 0.5, "l2": 0.001}
STEPS, QUICK_STEPS = 100, 8
ROUNDS, QUICK_ROUNDS = 5, 2
LEAST_KERAS = 1.0
TEXTS_TOKENISED, QUICK_TEXTS, WORDS_A_TEXT, MOST_SECONDS = 50_000, 500, 230, 20.0  # as IMDb's reviews


def rows(quick: bool) -> list[Row]:
    """Both train on the same texts, one running at a time; tokenising has a limit and no peer."""
    steps, rounds = (QUICK_STEPS, QUICK_ROUNDS) if quick else (STEPS, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder))
        started = {name: Contestant("texts", name, folder, str(steps)) for name in ("ours", "keras")}
        with contestants(**started) as racing:
            seconds = shortest(race(racing, rounds))
    rate = {name: steps * BATCH_SIZE / found for name, found in seconds.items()}
    num_texts = QUICK_TEXTS if quick else TEXTS_TOKENISED
    tokenised = measured("texts", "tokenise", "", str(num_texts))["seconds"]
    title = f"tokenise and number {num_texts:,} texts of {WORDS_A_TEXT} words"
    return [
        more("Keras, the same network", rate["ours"], rate["keras"], UNIT, LEAST_KERAS),
        below(title, tokenised, MOST_SECONDS, "s"),
    ]


def _words(shape: tuple[int, ...], seed: int) -> Any:
    """Indices of words, the frequent ones first: nearly as often as in a language (Zipf)."""
    uniform = np.random.default_rng(seed).random(shape)
    return (2 + (VOCABULARY_SIZE - 2) ** uniform - 1).astype(np.uint16)


def _draw(folder: Path) -> None:
    """Store texts whose label is in their first word."""
    from pipeline.dataset import PADDING, UNKNOWN, Description, save_dataset

    splits = {}
    for seed, split in enumerate(("train", "validation", "test")):
        x = _words((NUM_TEXTS if split == "train" else BATCH_SIZE, LENGTH), seed)
        length = np.full(len(x), LENGTH, np.int32)
        splits[split] = {"x": x, "length": length, "y": (x[:, 0] % 2).astype(np.uint8)}
    description = Description(
        text="texts for timing",
        layout="texts",
        classes=["even", "odd"],
        vocabulary=[PADDING, UNKNOWN, *(f"w{number}" for number in range(2, VOCABULARY_SIZE))],
        tokenizer="words",
        padded=True,
    )
    save_dataset(folder / "texts", splits, description, source="timing", seed=0, parameters={})


def train_ours(folder: str, steps: str) -> None:
    from pipeline.models import sentence_cnn

    train_network(sentence_cnn, NETWORK, Path(folder, "texts"), "tokens_to_label", BATCH_SIZE, steps)


def train_keras(folder: str, steps: str) -> None:
    """The network as the tutorials write it, on an array of all texts."""
    import keras

    from pipeline.dataset import Dataset

    watch = Stopwatch(int(steps))
    arrays = Dataset(Path(folder, "texts")).split("train")
    tokens, labels = arrays["x"].astype("int32"), arrays["y"].astype("int32")
    given = keras.Input((LENGTH,), dtype="int32")
    vectors = keras.layers.Embedding(VOCABULARY_SIZE, NETWORK["embedding"])(given)
    strongest = []
    for width in NETWORK["widths"]:  # type: ignore[attr-defined]
        regularizer = keras.regularizers.L2(NETWORK["l2"])
        convolution = keras.layers.Conv1D(NETWORK["filters"], width, activation="relu", kernel_regularizer=regularizer)
        strongest.append(keras.layers.GlobalMaxPooling1D()(convolution(vectors)))
    features = keras.layers.Dropout(NETWORK["dropout"])(keras.layers.Concatenate()(strongest))
    model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(features))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: watch.step())
    sys.stdin.readline()
    model.fit(tokens, labels, batch_size=BATCH_SIZE, epochs=1000, verbose=0, callbacks=[stop])


def tokenise(_: str, num_texts: str) -> None:
    """From texts to arrays, as an import does it, reading files apart."""
    from pipeline.text.labelled import LabelledText, labelled_dataset
    from pipeline.text.vocabulary import TextParameters

    indices = _words((int(num_texts), WORDS_A_TEXT), seed=3)
    texts = [" ".join(f"Word{index}," for index in row) for row in indices]
    labelled = [LabelledText("", text, 0) for text in texts]
    parameters = TextParameters(vocabulary_size=VOCABULARY_SIZE, longest=LENGTH)
    started = time.perf_counter()
    labelled_dataset({"train": labelled[::2], "test": labelled[1::2]}, ["one", "other"], parameters, "texts for timing")
    answer(seconds=time.perf_counter() - started)


if __name__ == "__main__":
    {"ours": train_ours, "keras": train_keras, "tokenise": tokenise}[sys.argv[1]](*sys.argv[2:])
