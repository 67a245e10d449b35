"""Every source and every dataset of params.yaml: the same bytes everywhere, separate splits, and a ceiling."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from found import DRAWINGS, PARAMS, Drawing, checksums, label, marked
from numpy._core._multiarray_umath import __cpu_dispatch__ as vector_instructions
from pydantic import ValidationError

from pipeline.config import check_all, dataset_block
from pipeline.dataset import SPLITS, Dataset
from pipeline.plugins import load_plugin, plugin_names
from pipeline.stages.generate import generate

PERCENT = {"bleu", "chrf"}  # metrics up to 100; others are shares, or errors
TASKS = [load_plugin("tasks", name, "tests") for name in plugin_names("tasks")]


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Iterator[Dataset]:
    """A dataset of params.yaml at its real size."""
    block = dataset_block(request.param, PARAMS)
    plugin = load_plugin("datasets", block.source, request.param)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, request.param)
        generate(request.param, plugin, block.parameters, block.seed, block.splits.model_dump(), target)
        yield Dataset(target)


every_drawing = pytest.mark.parametrize("drawing", marked(DRAWINGS), ids=label)
every_dataset = pytest.mark.parametrize("real", PARAMS["datasets"], indirect=True)


def test_params_yaml_holds_together() -> None:
    assert check_all() == []


@every_drawing
def test_parameters_refuse_what_they_do_not_know_and_cannot_be_changed(drawing: Drawing) -> None:
    parameters = drawing.parameters
    kind = type(parameters)
    assert kind.model_validate(parameters.model_dump(mode="json")) == parameters
    with pytest.raises(ValidationError, match="Extra inputs"):
        kind.model_validate(parameters.model_dump() | {"no_such_parameter": 1})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(parameters, next(iter(kind.model_fields)), 1)


@every_drawing
def test_the_seed_determines_the_bytes(drawing: Drawing, tmp_path: Path) -> None:
    first, again, other = (drawing.draw(tmp_path / str(n), seed) for n, seed in enumerate((5, 5, 6)))
    assert first.checksums() == again.checksums()
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    drawing.source.draw_split(drawing.parameters, 2, rng)
    if rng.bit_generator.state != before:  # where chance plays a part at all, in the labels not necessarily
        drawn = [drawing.source.draw_split(drawing.parameters, 24, np.random.default_rng(seed)) for seed in (1, 2)]
        by_chance = {name for name, values in drawn[0].items() if not np.array_equal(values, drawn[1][name])}
        assert "x" in by_chance
        digests = {name: digest for name, digest in first.checksums().items() if Path(name).name in by_chance}
        assert digests and all(other.checksums()[name] != digest for name, digest in digests.items())


@every_drawing
@pytest.mark.parametrize("changed", SPLITS)
def test_the_size_of_one_split_changes_no_other(drawing: Drawing, changed: str, tmp_path: Path) -> None:
    before = drawing.draw(tmp_path / "before").splits
    after = drawing.draw(tmp_path / "after", **{changed: drawing.splits[changed] + 9}).splits
    assert {split: before[split] == after[split] for split in SPLITS} == {split: split != changed for split in SPLITS}


@pytest.mark.parametrize("published", [False, pytest.param(True, marks=pytest.mark.full)], ids=["small", "published"])
def test_a_processor_without_vector_instructions_draws_the_same_bytes(published: bool) -> None:
    plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(vector_instructions), "OPENBLAS_CORETYPE": "Haswell"}
    code = f"import json, found; print(json.dumps(found.checksums({published})))"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])
    other = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | plain | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(other.stdout) == checksums(published)


@every_dataset
def test_a_dataset_of_real_size_is_complete_and_has_a_ceiling(real: Dataset) -> None:
    card, block = real.card, dataset_block(real.card.name, PARAMS)
    assert (card.source, card.seed) == (block.source, block.seed)
    assert card.parameters == block.parameters.model_dump(mode="json")
    assert card.text and (card.classes or card.vocabulary or card.outputs or card.answers)
    metrics = {metric for task in TASKS for metric in task.METRICS}
    errors = {metric for task in TASKS for metric in task.LOWER_IS_BETTER}
    assert card.ceilings and set(card.ceilings) <= metrics
    assert all(0 < ceiling < np.inf for ceiling in card.ceilings.values())
    assert all(found <= (100 if name in PERCENT else 1) for name, found in card.ceilings.items() if name not in errors)
    for split in SPLITS:
        arrays = real.split(split)  # compares the checksums
        assert card.num_examples(split) == getattr(block.splits, split) == len(arrays["x"])
        for name, facts in card.splits[split].items():
            assert (list(arrays[name].shape), arrays[name].dtype.str) == (facts.shape, facts.dtype)
    if card.classes:
        assert set(np.unique(real.split("train")["y"])) == set(range(len(card.classes)))


@every_dataset
def test_no_example_of_one_split_occurs_in_another(real: Dataset) -> None:
    if not real.card.disjoint:
        pytest.skip("the card does not promise it")
    examples = [{example.tobytes() for example in real.split(split)["x"]} for split in SPLITS]
    assert len(set.union(*examples)) == sum(map(len, examples))


@every_dataset
def test_a_dataset_of_real_size_draws_the_same_bytes_again(real: Dataset, tmp_path: Path) -> None:
    block = dataset_block(real.card.name, PARAMS)
    plugin = load_plugin("datasets", block.source, real.card.name)
    test = {split: getattr(block.splits, split) if split == "test" else 1 for split in SPLITS}
    again = generate(real.card.name, plugin, block.parameters, block.seed, test, tmp_path / real.card.name)
    assert again.splits["test"] == real.card.splits["test"]
    assert again.ceilings == real.card.ceilings
