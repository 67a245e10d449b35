"""Translating with a beam of 5: the exported graphs, the same search through Keras' `predict_on_batch`, eager PyTorch.

All have the same weights, drawn by chance, and write as many tokens as they read: what is measured is the work of a
step, and of the search around it. The sentences are as long as those of Multi30k are.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Contestant, Row, answer, contestants, more, race, shortest
from benchmarks.peers import peer_python

TITLE = "translate 1,000 sentences with a beam of 5, an encoder and a decoder with scaled Luong attention"
UNIT = "sentences/s"
BEAM = 5
SOURCE_WORDS, ANSWER_WORDS = 10_000, 8_000
NUM_SENTENCES, QUICK_SENTENCES = 1_000, 30
SHORTEST, MEAN_LENGTH, SPREAD = 4, 12, 4.2  # tokens of a German sentence of Multi30k, about
TOGETHER = 64
NUM_THREADS = 2  # of the peers
ROUNDS, QUICK_ROUNDS = 2, 1
WARM_UP = 20  # sentences: builds graphs, finds the shapes there are
LOGITS_SPREAD = 3.0
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Size:
    """Layers of the encoder and of the decoder, the units of each, the width of a word's vector; and the bars.

    The more units, the more of each step is the multiplication by the weights, which all must read from memory.
    """

    layers: int
    units: int
    embedding: int
    least_keras: float | None = None
    least_pytorch: float | None = 1


SIZES = (Size(2, 128, 128, least_keras=3), Size(1, 512, 256))


def rows(quick: bool) -> list[Row]:
    """A race for each size: one sentence after the other, and many at once."""
    torch_python, reason = peer_python()
    number, rounds = (QUICK_SENTENCES, QUICK_ROUNDS) if quick else (NUM_SENTENCES, ROUNDS)
    table = []
    for place, size in enumerate(SIZES):
        for at_once in (1, TOGETHER):
            given = (str(place), str(at_once), str(number))
            started = {name: Contestant("decoding", name, *given) for name in ("ours", "keras")}
            if torch_python:
                started["pytorch"] = Contestant("decoding_torch", *given, python=torch_python)
            with contestants(**started) as racing:
                seconds = shortest(race(racing, rounds))
            rate = {name: number / found for name, found in seconds.items()}
            title = f"{size.layers} x {size.units} units, {'one' if at_once == 1 else at_once} at a time"
            bars = (size.least_keras, size.least_pytorch) if at_once == 1 else (None, None)
            table.append(more(f"predict_on_batch, {title}", rate["ours"], rate["keras"], UNIT, bars[0]))
            if torch_python:
                table.append(more(f"PyTorch, {title}", rate["ours"], rate["pytorch"], UNIT, bars[1]))
            else:
                table.append(Row(f"PyTorch, {title}", f"{rate['ours']:.0f} {UNIT}", f"skipped: {reason}"))
    return table


def sentences(number: int) -> list[np.ndarray]:
    """Sentences of tokens, the shortest first."""
    rng = np.random.default_rng(1)
    lengths = np.maximum(SHORTEST, rng.normal(MEAN_LENGTH, SPREAD, number).round().astype(int))
    return [rng.integers(4, SOURCE_WORDS, length).astype(np.int32) for length in sorted(lengths)]


def weights(size: Size) -> Weights:
    """All weights by name, as Keras' layers have them."""
    rng = np.random.default_rng(2)
    found: Weights = {}

    def draw(name: str, *shape: int, spread: float = 1.0) -> None:
        found[name] = (rng.normal(size=shape) * spread / shape[0] ** 0.5).astype(np.float32)

    for side, words in (("source", SOURCE_WORDS), ("answer", ANSWER_WORDS)):
        found[f"{side} vectors"] = rng.normal(size=(words, size.embedding)).astype(np.float32)
        for layer in range(size.layers):
            draw(f"{side} kernel {layer}", size.units if layer else size.embedding, 4 * size.units)
            draw(f"{side} recurrent {layer}", size.units, 4 * size.units)
            draw(f"{side} bias {layer}", 4 * size.units)
    draw("keys", size.units, size.units)
    found["scale"] = np.float32(1)
    draw("attention", 2 * size.units, size.units)
    draw("answer words", size.units, ANSWER_WORDS, spread=LOGITS_SPREAD * 3)
    return found


def in_batches(given: list[np.ndarray], at_once: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sentences [B, S], 0 after their ends, and their lengths [B]."""
    for start in range(0, len(given), at_once):
        some = given[start : start + at_once]
        rows = np.zeros((len(some), max(map(len, some))), np.int32)
        for row, sentence in zip(rows, some, strict=True):
            row[: len(sentence)] = sentence
        yield rows, np.array([len(sentence) for sentence in some])


def compete(translate: Callable[[np.ndarray, np.ndarray], Any], at_once: int, number: int) -> None:
    """The contestant's side: warm up, then translate all whenever it is this one's turn."""
    given = sentences(number)
    few = given[:: max(1, len(given) // WARM_UP)]
    sys.stdin.readline()
    for batch in in_batches(few, at_once):
        translate(*batch)
    answer(ready=True)
    while sys.stdin.readline():
        started = time.perf_counter()
        for batch in in_batches(given, at_once):
            translate(*batch)
        answer(seconds=time.perf_counter() - started)


def search_with(decoder: Any) -> Callable[[np.ndarray, np.ndarray], Any]:
    """Our search, with any decoder."""
    from pipeline.decoding.beam import Beam, beam_search

    return lambda rows, lengths: beam_search(decoder, rows, lengths, Beam(BEAM))


def ours(size: Size) -> Any:
    """The decoder of the exported graphs."""
    import onnxruntime

    from pipeline.decoding.exported import open_decoder
    from pipeline.models import seq2seq
    from pipeline.network import prepare_backend
    from pipeline.onnx_graph import write_graph
    from pipeline.training import Training
    from pipeline.views import ExampleSpec

    prepare_backend(Training(learning_rate=0.001, batch_size=1, epochs=1), seed=1)
    parameters = seq2seq.Parameters(units=[size.units] * size.layers, embedding=size.embedding, attention="scaled")
    spec = ExampleSpec((None,), ANSWER_WORDS, "a text", vocabulary_size=SOURCE_WORDS)
    model = seq2seq.build(parameters, spec)
    given = weights(size)
    for weight in model.weights:
        weight.assign(given[_name_of(weight.path, size)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # as every export is opened
    sessions = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, graph in seq2seq.graphs(parameters, spec, model).items():
            path = Path(folder, f"{name}.onnx")
            write_graph(graph, path, name)
            providers = ["CPUExecutionProvider"]
            sessions[name] = onnxruntime.InferenceSession(path, sess_options=options, providers=providers)
    return open_decoder(sessions["encoder"], sessions["decoder"])


def _name_of(path: str, size: Size) -> str:
    """Which of `weights` one of our network is: its layers are numbered, those that read first."""
    layer, *_, part = path.split("/")
    kind, _, number = layer.partition("lstm")
    if kind == "fast_":
        side, place = divmod(int(number.strip("_") or 0), size.layers)
        return f"{('source', 'answer')[side]} {part.removesuffix('_kernel')} {place}"
    return {
        "embedding": "source vectors",
        "embedding_1": "answer vectors",
        "keys": "keys",
        "attention": "scale" if part == "scale" else "attention",
        "dense": "answer words",
    }[layer]


def keras(size: Size) -> Any:
    """The decoder of two Keras models as one would write them, asked by `predict_on_batch`."""
    from pipeline.decoding.decoder import GraphDecoder
    from pipeline.network import prepare_backend
    from pipeline.training import Training

    settings = Training(learning_rate=0.001, batch_size=1, epochs=1, num_threads=NUM_THREADS, deterministic=False)
    prepare_backend(settings, seed=1)
    encoder, decoder = keras_models(size, weights(size))
    names = [given.name for given in decoder.inputs]

    def decode(given: Any) -> Any:
        found = decoder.predict_on_batch([given[name] for name in names])
        return found | {"log_probability": np.array(found["log_probability"])}  # into which the search writes

    return GraphDecoder(encoder.predict_on_batch, decode, names, list(decoder.output), step_by_step=False)


def keras_models(size: Size, given: Weights) -> tuple[Any, Any]:
    """An encoder and a decoder of Keras' own layers."""
    import keras
    from keras import ops

    def read(side: str, vectors: Any, states: Any = None) -> tuple[Any, list[Any]]:
        after = []
        for place in range(size.layers):
            layer = keras.layers.LSTM(size.units, return_sequences=True, return_state=True)
            layer.build((None, None, vectors.shape[-1]))
            layer.set_weights([given[f"{side} {part} {place}"] for part in ("kernel", "recurrent", "bias")])
            vectors, *reached = layer(vectors, initial_state=states and states[2 * place : 2 * place + 2])
            after += reached
        return vectors, after

    def dense(name: str, **options: Any) -> Any:
        start = keras.initializers.Constant(given[name])
        return keras.layers.Dense(given[name].shape[1], use_bias=False, kernel_initializer=start, **options)

    def vectors_of(side: str, **options: Any) -> Any:
        start = keras.initializers.Constant(given[f"{side} vectors"])
        return keras.layers.Embedding(*given[f"{side} vectors"].shape, embeddings_initializer=start, **options)

    source = keras.Input((None,), dtype="int32", name="source")
    memory, states = read("source", vectors_of("source", mask_zero=True)(source))
    mask = ops.cast(ops.not_equal(source, 0), "float32")
    encoded = {"memory": memory, "memory_mask": mask, "keys": dense("keys")(memory)}
    encoded |= {f"state_{place}": state for place, state in enumerate(states)}
    encoder = keras.Model(source, encoded)

    previous = keras.Input((None,), dtype="int32", name="previous")
    again = {name: keras.Input(value.shape[1:], name=name) for name, value in encoded.items()}
    outputs, after = read("answer", vectors_of("answer")(previous), [again[f"state_{p}"] for p in range(len(states))])
    scores = ops.matmul(outputs, ops.transpose(again["keys"], (0, 2, 1))) * given["scale"]
    looked = ops.softmax(scores - 1e9 * (1 - again["memory_mask"][:, None]))
    vector = dense("attention", activation="tanh")(ops.concatenate([ops.matmul(looked, again["memory"]), outputs], -1))
    answers = {"log_probability": ops.log_softmax(dense("answer words")(vector)), "attention": looked}
    answers |= {f"next_state_{place}": state for place, state in enumerate(after)}
    return encoder, keras.Model([previous, *again.values()], answers)


if __name__ == "__main__":
    which, place, at_once, number = sys.argv[1:]
    contestant = {"ours": ours, "keras": keras}[which](SIZES[int(place)])
    compete(search_with(contestant), int(at_once), int(number))
