"""The language model: what is measured of it, its states, and what it writes while it learns."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.batches import Batches
from pipeline.dataset import Array, Description
from pipeline.models import language_model as architecture
from pipeline.onnx_graph import write_graph
from pipeline.samples import LENGTH, TEMPERATURES, TIMES, Samples
from pipeline.tasks import language_model as task
from pipeline.training import Training, fit
from pipeline.training_bar import Silent
from pipeline.views import VIEWS, ExampleSpec

LETTERS = Description(text="letters", layout="symbols", vocabulary=["<unk>", "a", "b", " "])
EACH = ExampleSpec((None,), 4, "a label at each step", vocabulary_size=4)
LAST = ExampleSpec((None,), 4, "one label", vocabulary_size=4)
# Two windows of two steps; of the first step of the second nothing is asked.
PROBABILITIES = np.array(
    [[[0, 0.5, 0.25, 0.25], [0.125, 0.125, 0.5, 0.25]], [[1, 0, 0, 0], [0.0, 0.125, 0.125, 0.75]]], np.float32
)
TARGETS = np.array([[1, 3], [-1, 1]], np.int32)
BITS = [1.0, 2.0, 3.0]  # of the three characters that are asked for


# ---- the task -------------------------------------------------------------------------------------------------------


def test_surprise_is_measured_in_nats_bits_and_as_a_perplexity() -> None:
    found = task.measure(PROBABILITIES, TARGETS, LETTERS)
    assert found == pytest.approx(
        {
            "cross_entropy": 2 * math.log(2),
            "bits_per_character": 2.0,
            "perplexity": 4.0,
            "next_character_accuracy": 1 / 3,
        }
    )
    assert set(found) == set(task.METRICS) and task.METRIC in task.LOWER_IS_BETTER


def test_what_is_ruled_out_and_comes_is_not_infinitely_wrong() -> None:
    found = task.measure(PROBABILITIES[1, :1], np.array([2]), LETTERS)
    assert found["cross_entropy"] == pytest.approx(-math.log(1e-7))


def test_the_statistics_of_any_windows_give_their_cross_entropy() -> None:
    rows = task.statistics(PROBABILITIES, TARGETS, LETTERS)
    np.testing.assert_allclose(rows, [[3 * math.log(2), 2], [3 * math.log(2), 1]])
    assert task.metric_of(rows.sum(axis=0)) == pytest.approx(task.measure(PROBABILITIES, TARGETS, LETTERS)[task.METRIC])
    np.testing.assert_allclose(task.metric_of(rows), np.array([1.5, 3]) * math.log(2))
    last = task.statistics(PROBABILITIES[:, -1], TARGETS[:, -1], LETTERS)
    np.testing.assert_allclose(last, [[2 * math.log(2), 1], [3 * math.log(2), 1]])


def test_predictions_have_one_row_for_each_character() -> None:
    found = task.predictions(PROBABILITIES, TARGETS, LETTERS)
    assert found["actual"] == ["a", "space"] and found["count"] == [2, 1]
    assert found["predicted"] == ["a", "b"] and found["accuracy"] == [0.5, 0.0]
    np.testing.assert_allclose(found["cross_entropy"], np.array([2, 2]) * math.log(2), atol=1e-4)


def test_an_answer_is_what_follows_the_last_character() -> None:
    for outputs in (PROBABILITIES, PROBABILITIES[:, -1]):
        first, second = task.readable(outputs, LETTERS)
        assert (first["next"], first["probability"], second["next"], second["probability"]) == ("b", 0.5, " ", 0.75)
        assert set(task.COLUMNS) <= set(first)
    assert task.sentence(second) == "space 0.750  a 0.125  b 0.125  <unk> 0.000"


@pytest.mark.parametrize(("outputs", "targets"), [(PROBABILITIES, TARGETS), (PROBABILITIES[:, -1], TARGETS[:, -1])])
def test_the_figures_show_characters_and_where_each_step_answers_positions(outputs: Array, targets: Array) -> None:
    with_ceiling = LETTERS.model_copy(update={"ceilings": {"cross_entropy": 1.0}})
    for description in (LETTERS, with_ceiling):
        found = task.figures(outputs, targets, description, lambda rows: np.zeros((len(rows), 2)))
        assert set(found) == {"by_character", "by_position"} - ({"by_position"} if targets.ndim == 1 else set())


# ---- the network ----------------------------------------------------------------------------------------------------


def test_the_published_network_has_its_number_of_parameters(keras: Any) -> None:
    """Three layers of 512 units on 67 symbols, one-hot, and a softmax."""
    spec = ExampleSpec((None,), 67, "one label", vocabulary_size=67)
    model = architecture.build(architecture.Parameters(units=[512] * 3, dropout=0.5), spec)
    sizes = [4 * 512 * (width + 512 + 1) for width in (67, 512, 512)]
    assert model.count_params() == sum(sizes) + 67 * 513 == 5_420_611


def test_only_symbols_of_three_kinds_and_more_can_be_read(keras: Any) -> None:
    for spec in (ExampleSpec((None, 4), 4), ExampleSpec((None,), 2, vocabulary_size=2), ExampleSpec((None,), 3)):
        with pytest.raises(ValueError, match="allowed: view next_symbols or next_symbol"):
            architecture.build(architecture.Parameters(units=[3]), spec)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("embedding", [None, 3])
def test_symbols_read_one_by_one_with_the_state_carried_are_answered_as_all_at_once(
    keras: Any, tmp_path: Path, cell: Any, embedding: int | None
) -> None:
    import onnxruntime

    parameters = architecture.Parameters(cell=cell, units=[5, 4], embedding=embedding, dropout=0.3)
    model = architecture.build(parameters, EACH)
    (graph,) = architecture.graphs(parameters, EACH, model).values()
    write_graph(graph, tmp_path / "step.onnx", "probability")
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    symbols, *states = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    assert [state.name for state in states] == [f"{name}_{k}" for k in (0, 1) for name in architecture.STATES[cell]]
    given = np.array([[1, 2, 3, 0, 1], [3, 3, 2, 2, 1]], np.int32)
    expected = np.asarray(model(given))
    for width in (1, 2, 5):
        state = {each.name: np.zeros((2, each.shape[1]), np.float32) for each in states}
        parts = []
        for start, end in pairwise([*range(0, 5, width), 5]):
            found = dict(zip(outputs, session.run(None, {symbols.name: given[:, start:end], **state}), strict=True))
            parts.append(found.pop("probability"))
            state = {name.removeprefix("next_"): value for name, value in found.items()}
        np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)


# ---- what it writes while it learns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [EACH, LAST], ids=["each", "last"])
def test_what_is_written_is_drawn_from_what_the_network_thinks_likely(keras: Any, spec: ExampleSpec) -> None:
    """Symbol by symbol as `pipeline.sampling` draws them, from the network's own answers."""
    from pipeline.sampling import draw

    parameters = architecture.Parameters(units=[8])
    model = architecture.build(parameters, spec)
    model.set_weights([3 * weight for weight in model.get_weights()])  # further from all alike
    writer = architecture.writer(parameters, spec, model)
    beginnings = np.array([[1, 2, 3], [3, 3, 1]], np.uint8)
    temperatures, allowed = np.array([0.5, 1.3]), np.array([0, 1, 1, 1])
    uniforms = np.random.default_rng(3).random((20, 2))
    for _ in range(2):
        written = writer.write(beginnings, uniforms, temperatures, allowed)
        assert written.shape == (20, 2)
        seen = beginnings.astype(np.int32)
        for step, symbols in enumerate(written):
            read = seen if spec is EACH else seen[:, -3:]
            answers = np.asarray(model(read)).reshape(2, -1, 4)[:, -1]
            expected = [
                draw(answer * allowed, temperature, uniform)
                for answer, temperature, uniform in zip(answers, temperatures, uniforms[step], strict=True)
            ]
            assert symbols.tolist() == expected
            seen = np.concatenate([seen, symbols[:, None]], axis=1)
        assert 0 not in written
        model.set_weights([1.5 * weight for weight in model.get_weights()])  # a training goes on


class Written:
    """Stands in for a writer: the same symbol each time, one after each call."""

    def __init__(self) -> None:
        self.calls = 0

    def write(self, beginnings: Array, uniforms: Array, temperatures: Array, allowed: Array) -> Array:
        self.calls += 1
        assert beginnings.tolist() == [[1, 2]] * len(TEMPERATURES) and allowed.tolist() == [False, True, True, True]
        assert uniforms.shape == (LENGTH, len(TEMPERATURES)) and temperatures.tolist() == list(TEMPERATURES)
        return np.full(uniforms.shape, self.calls % 4)


class OneWindow:
    card = LETTERS

    @staticmethod
    def split(name: str) -> dict[str, Array]:
        assert name == "validation"
        return {"x": np.array([[1, 2, 3]])}


@pytest.mark.parametrize(
    ("num_rounds", "expected"),
    [(1, [1]), (4, [1, 2, 3, 4]), (7, [2, 4, 6, 7]), (12, [3, 6, 9, 12])],
)
def test_texts_are_written_after_every_few_rounds_and_the_last(num_rounds: int, expected: list[int]) -> None:
    samples = Samples(Written(), OneWindow(), seed=1)  # type: ignore[arg-type]
    found = [samples.after(number, num_rounds) for number in range(1, num_rounds + 1)]
    assert [number for number, written in enumerate(found, 1) if written] == expected and len(expected) <= TIMES
    first = next(filter(None, found))
    assert [sample["temperature"] for sample in first] == list(TEMPERATURES)
    assert {sample["round"] for sample in first} == {expected[0]}
    assert first[0]["text"] == "a" * LENGTH


def test_a_training_keeps_its_texts_and_tells_who_listens(keras: Any) -> None:
    heard: list[Any] = []

    class Listener(Silent):
        def on_samples(self, samples: list[Any]) -> None:
            heard.extend(samples)

    parameters = architecture.Parameters(units=[4])
    model = architecture.build(parameters, EACH)
    from pipeline.network import loss_of

    training = Training(learning_rate=0.01, batch_size=2, steps=4, validate_every=2)
    arrays = {"x": np.array([[1, 2, 3], [2, 3, 1]], np.uint8)}
    batches = Batches(arrays, VIEWS["next_symbols"], LETTERS, 2, 1, shuffle=False)
    samples = Samples(architecture.writer(parameters, EACH, model), OneWindow(), seed=1)  # type: ignore[arg-type]
    fitted = fit(
        model, loss_of(architecture, EACH, training), training, batches, batches, [Listener()], samples=samples
    )
    assert heard == fitted.samples and [sample["round"] for sample in heard] == [1, 1, 2, 2]
    assert all(len(sample["text"]) == LENGTH and set(sample["text"]) <= set("ab ") for sample in heard)


class Killed(Exception):
    """In place of a signal."""


def test_a_training_that_was_killed_has_written_what_it_would_have(keras: Any, tmp_path: Path) -> None:
    from pipeline.checkpoint import Checkpoint, Fitted
    from pipeline.network import loss_of, prepare_backend

    parameters = architecture.Parameters(units=[4], dropout=0.2)
    training = Training(learning_rate=0.05, batch_size=2, steps=6, validate_every=2)
    arrays = {"x": np.array([[1, 2, 3], [2, 3, 1], [3, 1, 2]], np.uint8)}
    batches = Batches(arrays, VIEWS["next_symbols"], LETTERS, 2, 1, shuffle=True)

    class Killer(Silent):
        def on_samples(self, samples: list[Any]) -> None:
            raise Killed

    def train(checkpoint: Checkpoint | None, listener: Silent) -> Fitted:
        prepare_backend(training, seed=3)
        model = architecture.build(parameters, EACH)
        samples = Samples(architecture.writer(parameters, EACH, model), OneWindow(), seed=1)  # type: ignore[arg-type]
        loss = loss_of(architecture, EACH, training)
        return fit(model, loss, training, batches, batches, [listener], checkpoint, samples)

    expected = train(None, Silent()).samples
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Killed):
        train(checkpoint, Killer())
    assert train(checkpoint, Silent()).samples == expected and len(expected) == 6
