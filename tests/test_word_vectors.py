"""Vectors of words: trained the same way each time, or read from a file; and the networks that begin with them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found import ROOT, VARIANTS

from pipeline.dataset import CARD_FILE, Dataset, Description, save_dataset
from pipeline.derivations import word_vectors
from pipeline.derivations.word_vectors import Parameters, read_vectors
from pipeline.errors import UserError
from pipeline.models import tagger
from pipeline.stages.derive import derive

WORDS = ["<pad>", "<unk>", "Anna", "sings", "Berlin", "rare"]


@pytest.fixture
def origin(tmp_path: Path) -> Dataset:
    """A few texts, of the words 1 to 4 in turn; `rare` is in the vocabulary only."""
    x = (1 + np.arange(40 * 6).reshape(40, 6) % 4).astype(np.uint16)
    length = np.full(40, 6, np.int32)
    x[::2, 4:], length[::2] = 0, 4
    arrays = {"x": x, "length": length, "y": np.zeros_like(x)}
    description = Description(
        text="texts", layout="texts", classes=["O"], vocabulary=WORDS, tokenizer="spaces", padded=True, disjoint=False
    )
    splits = dict.fromkeys(("train", "validation", "test"), arrays)
    save_dataset(tmp_path / "texts", splits, description, source="tests", seed=1, parameters={})
    return Dataset(tmp_path / "texts")


def derived(origin: Dataset, start: Path | None = None, **parameters: Any) -> Dataset:
    target = origin.folder.with_name("with_vectors")
    begins = origin.folder if start is None else start
    derive(target.name, word_vectors, Parameters(**parameters), origin.folder, begins, target, target.parent)
    return Dataset(target)


def written(origin: Dataset, content: str | bytes) -> Path:
    path = origin.folder.with_name("vectors.txt")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_texts_stay_and_each_word_has_a_vector(origin: Dataset) -> None:
    found = derived(origin, width=7, epochs=2)
    assert found.card.splits == origin.card.splits
    assert found.card.text == "texts; a vector for each word, by word2vec, of 7 numbers"
    vectors = found.vectors()
    assert vectors is not None and vectors.shape == (6, 7) and vectors.dtype == np.float32
    assert (vectors[0] == 0).all() and (vectors[1:] != 0).any(axis=1).all()
    np.testing.assert_allclose(vectors[5], vectors[1:5].mean(axis=0), atol=1e-6)  # it occurs nowhere
    assert found.card.checksums() == origin.card.checksums() | {"vectors": found.card.vectors.sha256}  # type: ignore[union-attr]
    assert origin.vectors() is None and "vectors" not in origin.card.checksums()


@pytest.mark.parametrize("method", ["skip_gram", "cbow"])
def test_the_same_texts_give_the_same_bytes_in_every_process(origin: Dataset, method: str) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.dataset import Dataset; from pipeline.derivations.word_vectors import Parameters, vectors\n"
        "origin = Dataset(Path(sys.argv[1]))\n"
        "found = vectors(origin, origin.folder, Parameters(width=8, epochs=3, method=sys.argv[2]))\n"
        "print(found.tobytes().hex())"
    )
    found = set()
    for seed in ("0", "1", "random"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        command = [sys.executable, "-c", code, str(origin.folder), method]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
    other = word_vectors.vectors(origin, origin.folder, Parameters(width=8, epochs=3, method=method, seed=2))
    assert other.tobytes().hex() not in found.pop()


@pytest.mark.parametrize("header", ["", "4 2\n"], ids=["glove", "word2vec"])
def test_vectors_are_read_from_a_file(origin: Dataset, header: str) -> None:
    path = written(origin, f"{header}Anna 1 2\nanna 9 9\nberlin 3 -4e0 \nof course 5 6\n")
    found = derived(origin, path)
    vectors = found.vectors()
    assert vectors is not None
    assert vectors.tolist() == [[0, 0], [2, -1], [1, 2], [2, -1], [3, -4], [2, -1]]  # the mean for those without one
    assert found.card.text.endswith("a vector for each word, read from vectors.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "vectors.txt: is empty"),
        ("Anna 1 2\nBerlin 1 2 3\n", "vectors.txt:2: a vector of 3 numbers; allowed: 2, as in line 1"),
        ("Anna 1 2\nBerlin 1\n", "vectors.txt:2: a vector of 1 numbers; allowed: 2, as in line 1"),
        ("Anna 1 2\n7\n", "vectors.txt:2: a vector of 0 numbers; allowed: 2"),
        ("2 3\nAnna 1 2\n", "vectors.txt:2: a vector of 2 numbers; allowed: 3, as in line 1"),
        ("Anna 1 x\n", "vectors.txt:1: found 'x'; allowed: a word and its numbers"),
        ("Anna 1 nan\n", "vectors.txt:1: found NaN or infinity"),
        ("Anna\n", "vectors.txt:1: a vector of 0 numbers; allowed: 1 and more"),
        ("Zoë 1 2\n", "has no vector for any of the 6 words"),
        ("Anna 1 2\nBerl\xedn 1 2\n".encode("latin-1"), "vectors.txt:2: not text in UTF-8"),
    ],
)
def test_files_that_cannot_be_meant_are_refused_with_their_line(
    origin: Dataset, content: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_vectors(written(origin, content), WORDS)


def test_what_has_no_effect_or_no_words_is_refused(origin: Dataset, tmp_path: Path) -> None:
    path = written(origin, "Anna 1 2\n")
    with pytest.raises(
        UserError, match=r"epochs, width given, but the vectors of .*vectors.txt are trained; allowed: no"
    ):
        derived(origin, path, width=3, epochs=1)
    with pytest.raises(UserError, match=r"start is .*elsewhere; allowed: .*texts, or a file of vectors"):
        derived(origin, tmp_path / "elsewhere")
    images = {"x": np.zeros((2, 4, 4), np.uint8), "y": np.zeros(2, np.uint8)}
    description = Description(text="images", layout="images", classes=["a"])
    splits = dict.fromkeys(("train", "validation", "test"), images)
    save_dataset(tmp_path / "images", splits, description, source="tests", seed=1, parameters={})
    with pytest.raises(UserError, match="images: holds images; allowed for word_vectors: texts"):
        derived(Dataset(tmp_path / "images"))


def test_vectors_that_were_altered_are_noticed(origin: Dataset) -> None:
    found = derived(origin, width=3, epochs=1)
    table = np.array(found.vectors())
    table[2, 1] += 1
    np.save(found.folder / "vectors.npy", table)
    with pytest.raises(UserError, match=f"its bytes are not those that {CARD_FILE} recorded"):
        Dataset(found.folder).vectors()


@pytest.fixture
def case() -> Any:
    return next(each for each in VARIANTS if each.name == "entities_word_vectors")


@pytest.mark.parametrize("frozen", [True, False])
def test_a_network_begins_with_the_vectors(keras: Any, case: Any, frozen: bool) -> None:
    network = case.block.network.model_copy(update={"frozen": frozen})
    model = tagger.build(network, case.spec)
    embedding = next(layer for layer in model.layers if isinstance(layer, keras.layers.Embedding))
    np.testing.assert_array_equal(embedding.get_weights()[0], case.dataset.vectors())
    assert embedding.trainable != frozen
    assert len(model.non_trainable_weights) == int(frozen)


def test_a_width_is_needed_where_there_are_no_vectors_and_only_there(keras: Any, case: Any) -> None:
    network, without = case.block.network, replace(case.spec, vectors=None)
    with pytest.raises(ValueError, match="embedding is not given, and the dataset has no word vectors"):
        tagger.build(network, without)
    with pytest.raises(ValueError, match="embedding is 5, but the dataset has word vectors of"):
        tagger.build(network.model_copy(update={"embedding": 5}), case.spec)
