"""`python -m pipeline sample`: what is drawn, from what, and what it refuses."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project import IMAGE, MEMORY, Project

from pipeline.dataset import Array, Description
from pipeline.errors import UserError
from pipeline.files import write_json
from pipeline.models import language_model as architecture
from pipeline.onnx_graph import write_graph
from pipeline.places import SAMPLES_FILE, read_samples
from pipeline.runtime import MANIFEST_FILE, Export, Manifest
from pipeline.sampling import CarriedState, allowed_symbols, draw, open_reader, sample, write
from pipeline.views import VIEWS, ExampleSpec

pytest_plugins = ["project"]

VOCABULARY = ["<unk>", "\n", "a", "b", "c"]
WINDOW = 3
MARKOV = "markov_lstm"


def write_model(folder: Path, name: str, view: str, seed: int) -> Export:
    """An export as the stage writes it, of a small network with large random weights: some things are far likelier."""
    export = folder / "models" / name / "export"
    export.mkdir(parents=True)
    spec = ExampleSpec((None,), len(VOCABULARY), VIEWS[view].asks, vocabulary_size=len(VOCABULARY))
    parameters = architecture.Parameters(units=[6, 5])
    model = architecture.build(parameters, spec)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    for graph, exported in architecture.graphs(parameters, spec, model).items():
        write_graph(exported, export / f"{graph}.onnx", "probability")
    description = Description(text="letters", layout="symbols", vocabulary=VOCABULARY)
    manifest = Manifest(
        variant=name,
        dataset="letters",
        view=view,
        task="language_model",
        model="language_model",
        num_parameters=model.count_params(),
        fingerprint="none",
        description=description,
        stored_shape=[WINDOW + 1],
        graphs={"step": "step.onnx"},
    )
    write_json(export / MANIFEST_FILE, manifest.model_dump())
    return Export(export)


@pytest.fixture(scope="module")
def exports(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Export]]:
    folder = tmp_path_factory.mktemp("models")
    yield {view: write_model(folder, view, view, seed) for seed, view in enumerate(("next_symbols", "next_symbol"))}


@pytest.fixture
def here(exports: dict[str, Export], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exports["next_symbols"].folder.parents[2])


# ---- one draw -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda found: max(found) > 1e-3),
    temperature=st.one_of(st.just(0.0), st.floats(1e-3, 20)),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_only_what_is_possible_is_drawn(shares: list[float], temperature: float, uniform: float) -> None:
    probabilities = np.array(shares)
    symbol = draw(probabilities.copy(), temperature, uniform)
    assert probabilities[symbol] > 0
    if temperature == 0:
        assert symbol == probabilities.argmax()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_come_as_often_as_their_probability_at_the_temperature_says(temperature: float) -> None:
    probabilities = np.array([0.5, 0.3, 0.0, 0.2])
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    counts = np.bincount([draw(probabilities, temperature, uniform) for uniform in uniforms], minlength=4)
    expected = probabilities ** (1 / temperature)
    np.testing.assert_allclose(counts / len(uniforms), expected / expected.sum(), atol=1e-4)


# ---- a text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["next_symbols", "next_symbol"])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_a_text_is_drawn_from_what_the_export_answers_to_all_before_it(
    exports: dict[str, Export], view: str, temperature: float
) -> None:
    """Each character against the whole text, or its last window, read anew."""
    export = exports[view]
    allowed = allowed_symbols(VOCABULARY)
    found = list(write(open_reader(export), [2, 3, 1, 4], 30, temperature, allowed, np.random.default_rng(5)))
    rng, seen = np.random.default_rng(5), [2, 3, 1, 4]
    for symbol in found:
        read = seen if view == "next_symbols" else seen[-WINDOW:]
        answer: Array = export.run(np.array([read], np.int32))[0]
        probabilities = answer[-1] if view == "next_symbols" else answer
        assert symbol == draw(probabilities * allowed, temperature, rng.random())
        seen.append(symbol)
    assert len(found) == 30 and 0 not in found  # what stands for unknown characters cannot be written


def test_two_readers_of_one_export_do_not_disturb_each_other(exports: dict[str, Export]) -> None:
    session = exports["next_symbols"].session("step")
    alone, first, second = (CarriedState(session) for _ in range(3))
    expected = [alone.read(symbol).copy() for symbol in (2, 3, 4, 2)]
    for symbol, probabilities in zip((2, 3, 4, 2), expected, strict=True):
        np.testing.assert_array_equal(first.read(symbol), probabilities)
        second.read(1)


def test_the_seed_says_which_text_and_each_character_comes_when_it_is_asked_for(here: None) -> None:
    def text(seed: int) -> str:
        return "".join(sample("next_symbols", None, 40, 1.0, seed))

    assert text(1) == text(1) != text(2)
    assert len(text(1)) == 40 and set(text(1)) <= set(VOCABULARY)
    begun = sample("next_symbols", "abc", 10**9, 1.0, 1)
    assert "".join(itertools.islice(begun, 3)).startswith("abc")


@pytest.mark.parametrize(
    ("variant", "seed_text", "message"),
    [
        ("next_symbols", "aXbY", r"--seed-text: the model does not know 'XY'; allowed: characters of '\\nabc'"),
        ("next_symbols", "<unk>", "does not know '<>knu'"),
        ("next_symbls", None, "has no export; did you mean 'next_symbols'?"),
        ("../models", None, "allowed: small letters, digits and _"),
    ],
)
def test_what_cannot_be_written_is_refused(here: None, variant: str, seed_text: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        next(sample(variant, seed_text, 5, 1.0, 1))


# ---- the whole way --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_language_model_goes_the_whole_way(changeable: Project) -> None:
    with changeable.changing_params() as params:
        params["datasets"]["markov"] = {
            "source": "markov_text",
            "seed": 1,
            "splits": {"train": 40, "validation": 10, "test": 10},
            "parameters": {"letters": 5, "order": 1, "length": 20},
        }
        params["variants"][MARKOV] = {
            "dataset": "markov",
            "start": "data/markov",
            "view": "next_symbols",
            "task": "language_model",
            "model": "language_model",
            "network": {"units": [6]},
            "training": {"learning_rate": 0.05, "batch_size": 10, "epochs": 3},
            "seed": 1,
            "gate": {"cross_entropy": 1.6},
        }
    changeable.pipeline("repro", timeout=300).succeeded()
    metrics = changeable.metrics(MARKOV)
    assert metrics["ceiling"] <= metrics["score"] < np.log(5) and metrics["gate"] == "passed"
    written = read_samples(changeable / f"models/{MARKOV}/train")
    assert [(each["round"], each["temperature"]) for each in written] == [(k, t) for k in (1, 2, 3) for t in (0.5, 1.0)]
    assert read_samples(changeable / f"reports/{MARKOV}/figures") == written
    page = (changeable / "report/index.html").read_text(encoding="utf-8")
    assert all(f"<pre>{each['text']}</pre>" in page for each in written)
    assert "letters by their frequency" in page
    store = changeable.store()
    artifacts = store.client.list_artifacts(store.run(MARKOV).info.run_id, "samples")
    assert len(artifacts) == len(written)

    started = time.perf_counter()
    printed = changeable.pipeline("sample", MARKOV, "--seed-text", "ab", "--length", "30", "--seed", "3").succeeded()
    assert time.perf_counter() - started < 5
    assert printed.out.startswith("ab") and len(printed.out) == len("ab") + 30 + len("\n")
    assert changeable.pipeline("sample", MARKOV, "--seed-text", "ab", "-n", "30", "--seed", "3").out == printed.out
    greedy = changeable.pipeline("sample", MARKOV, "-t", "0", "--length", "9").succeeded().out
    assert greedy == changeable.pipeline("sample", MARKOV, "-t", "0", "-n", "9", "--seed", "4").succeeded().out
    for variant in (IMAGE, MEMORY):
        refused = changeable.pipeline("sample", variant)
        assert refused.code == 2 and f"variant '{variant}' is no language model" in " ".join(refused.text.split())
        assert f"allowed: {MARKOV}" in " ".join(refused.text.split())

    (changeable / f"reports/{MARKOV}/figures" / SAMPLES_FILE).write_text("round,temperature\n1,x\n")
    with pytest.raises(UserError, match="damaged"):
        read_samples(changeable / f"reports/{MARKOV}/figures")
