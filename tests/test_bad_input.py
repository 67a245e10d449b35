"""What a user can get wrong: each mistake gives one clear message and leaves earlier results as they were."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from project import CLIP, IMAGE, MEMORY, VARIANTS, Finished, Project

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

Cli = Callable[..., Finished]
Change = Callable[[dict[str, Any]], Any]
USER, FAILURE, INTERRUPTED = 2, 1, 130


def assert_clear(finished: Finished, code: int, *words: str) -> None:
    """One message, with all it has to name, and nothing else."""
    assert finished.code == code, finished.text
    assert finished.out == ""
    assert "Traceback" not in finished.err
    assert finished.err.startswith("error: " if code == USER else "failed: ")
    assert finished.err.count("error: ") + finished.err.count("failed: ") == 1
    for word in words:
        assert word in finished.err


def setting(path: str, value: Any) -> Change:
    """Set one value of params.yaml, or remove its key where the value is `...`."""

    def change(params: dict[str, Any]) -> None:
        *sections, key = path.split(".")
        for section in sections:
            params = params[section]
        if value is ...:
            del params[key]
        else:
            params[key] = value

    return change


def case(command: str, path: str, value: Any, *words: str) -> Any:
    return pytest.param(command, setting(path, value), words, id=f"{path}={value}".replace("...", "removed"))


V = f"variants.{MEMORY}"
PARAMS_CASES = [
    # a key that is unknown, misspelt, missing
    case(f"train {MEMORY}", f"{V}.colour", "red", f"{V}.colour: unknown key", "dataset, gate, model, network"),
    case(f"train {MEMORY}", f"{V}.sed", 1, f"{V}.sed: unknown key; did you mean 'seed'?"),
    case(f"train {MEMORY}", f"{V}.training.lerning_rate", 1, "training.lerning_rate", "did you mean 'learning_rate'?"),
    case(f"train {MEMORY}", f"{V}.network.unit", 3, f"{V}.network.unit: unknown key; did you mean 'units'?"),
    case(f"train {MEMORY}", f"{V}.seed", ..., f"{V}.seed: is missing"),
    case(f"train {MEMORY}", f"{V}.training.batch_size", ..., "training.batch_size: is missing"),
    case(
        "generate digits", "datasets.digits.parameters.rotations", 3, "parameters.rotations", "did you mean 'rotation'?"
    ),
    case("generate digits", "datasets.digits.splits.dev", 3, "splits.dev: unknown key", "test, train, validation"),
    case("check", "varients", {}, "unknown section 'varients'; did you mean 'variants'?"),
    # the wrong type, out of range
    case(f"train {MEMORY}", f"{V}.seed", "one", f"{V}.seed: found 'one'; allowed: a valid integer"),
    case(f"train {MEMORY}", f"{V}.seed", -1, f"{V}.seed: found -1; allowed: greater than or equal to 0"),
    case(
        f"train {MEMORY}", f"{V}.network", {"units": 0}, "network.units: found 0; allowed: greater than or equal to 1"
    ),
    case(f"train {MEMORY}", f"{V}.network", [1], f"{V}.network: found [1]; allowed: a valid dictionary"),
    case(
        f"train {MEMORY}", f"{V}.training.learning_rate", "fast", "learning_rate: found 'fast'; allowed: a valid number"
    ),
    case(f"train {MEMORY}", f"{V}.training.optimizer", "adamm", "optimizer: found 'adamm'; allowed: 'adam', '"),
    case(f"train {MEMORY}", V, "nothing", f"{V}: found 'nothing'; allowed: a valid dictionary"),
    case("generate digits", "datasets.digits.splits.train", 0, "splits.train: found 0; allowed: greater than"),
    case(
        "generate digits",
        "datasets.digits.parameters.illegible",
        2,
        "parameters.illegible: found 2; allowed: less than",
    ),
    case("generate digits", "datasets.digits.parameters", None, "datasets.digits.parameters.illegible: is missing"),
    case(
        "generate memory",
        "datasets.memory.parameters.num_sequences",
        5,
        "datasets.memory.parameters",
        "allowed: 2 to 4",
    ),
    case(
        "generate moving_square",
        "datasets.moving_square.parameters.directions",
        3,
        "directions: found 3; allowed: 2 or 4",
    ),
    # epochs and steps
    case(f"train {MEMORY}", f"{V}.training.epochs", 3, f"{V}.training: give either epochs or steps, not both"),
    case(f"train {MEMORY}", f"{V}.training.validate_every", ..., "validate_every belongs to steps"),
    case(
        f"train {MEMORY}", f"{V}.training.validate_every", 7, "steps is 400; allowed: a multiple of validate_every (7)"
    ),
    case(
        "train digits_cnn",
        "variants.digits_cnn.training.bucket",
        20,
        "training.bucket: found 20; allowed: nothing, as the examples of view 'images' are equally long",
    ),
    # what does not exist
    case("generate digits", "datasets.digits.source", "digit", "datasets.digits.source", "did you mean 'digits'?"),
    case(
        "import own", "imports.own.format", "array", "imports.own.format: no formats/array.py", "did you mean 'arrays'?"
    ),
    case("check-data own", "imports.own.drift", 0, "imports.own.drift: found 0; allowed: greater than 0"),
    case("import own", "imports.own.path", "raw/gone.npz", "imports.own.path: raw/gone.npz does not exist"),
    case(
        "derive half_of_digits",
        "derived.half_of_digits.method",
        "subsets",
        "method: no derivations/subsets.py",
        "'subset'",
    ),
    case(
        "derive half_of_digits",
        "derived.half_of_digits.dataset",
        "digits",
        "half_of_digits.dataset: found 'digits'",
        "data/digits",
    ),
    case(f"train {MEMORY}", f"{V}.dataset", "memori", f"{V}.dataset: no dataset 'memori'; did you mean 'memory'?"),
    case(
        f"train {MEMORY}",
        f"{V}.start",
        "models/gone/train",
        f"{V}.start: found 'models/gone/train'",
        f"models/{CLIP}/train",
    ),
    case(f"train {MEMORY}", f"{V}.start", f"models/{MEMORY}/train", f"{V}.start: found 'models/{MEMORY}/train'"),
    case(f"train {MEMORY}", f"{V}.start", "data/digits", f"{V}.start: found 'data/digits'", "data/memory"),
    case(f"train {MEMORY}", f"{V}.start", f"models/{CLIP}/export", f"{V}.start: found", f"models/{CLIP}/train"),
    case(f"train {MEMORY}", f"{V}.view", "onehot", f"{V}.view: found 'onehot'; did you mean 'one_hot'?", "frames"),
    # what exists and does not go together
    case(f"train {MEMORY}", f"{V}.view", "images", f"{V}.view: found 'images', which shows an image", "one_hot"),
    case(
        f"train {IMAGE}",
        f"variants.{IMAGE}.task",
        "sequence_labelling",
        f"variants.{IMAGE}.task: found 'sequence_labelling', which measures a label at each step; allowed",
    ),
    case(f"train {MEMORY}", f"{V}.training.truncate_steps", ..., "truncate_steps: found None; allowed: a number of"),
    case(f"train {IMAGE}", f"variants.{IMAGE}.training.truncate_steps", 2, "truncate_steps: found 2; allowed: nothing"),
    case(f"train {IMAGE}", f"variants.{IMAGE}.network.filters", [0], "network.filters.0: found 0; allowed: greater"),
    case(f"train {CLIP}", f"variants.{CLIP}.network.dense", [-1], "network.dense.0: found -1; allowed: greater"),
    case(f"train {MEMORY}", f"{V}.task", "labelling", f"{V}.task: no tasks/labelling.py", "sequence_labelling"),
    case(f"train {MEMORY}", f"{V}.model", "memory", f"{V}.model: no models/memory.py; did you mean 'memory_lstm'?"),
    case(
        f"evaluate {MEMORY}",
        f"{V}.gate",
        {"accurracy": 1},
        f"{V}.gate: unknown metric 'accurracy'; did you mean 'accuracy'?",
    ),
]
NAME_CASES = {
    "train ../x": ("variants: name '../x'", "small letters, digits and _"),
    "train a.b": ("variants: name 'a.b'", "small letters, digits and _"),
    "generate ../../etc": ("datasets: name '../../etc'",),
    "import /tmp": ("imports: name '/tmp'",),
    "predict ../x -e 0": ("variant '../x'", "small letters, digits and _"),
    "predict memori_lstm -e 0": ("variant 'memori_lstm' has no export", f"did you mean '{MEMORY}'?"),
    "train memori_lstm": ("variants: no 'memori_lstm'; did you mean 'memory_lstm'?",),
    "generate digit": ("datasets: no 'digit'; did you mean 'digits'?",),
    f"predict {MEMORY}": ("--input", "--example"),
    f"predict {MEMORY} -e 0 -i x.npy": ("either --input", "or --example"),
    f"predict {MEMORY} -e 99": ("--example 99: the test split has 2; allowed: 0 to 1",),
    "check-data digit": ("params.yaml: no dataset 'digit'; did you mean 'digits'?",),
    "check-data ../x": ("params.yaml: no dataset '../x'",),
    "accept-data digits": ("params.yaml: imports: no 'digits'; allowed: own",),
    "accept-data ../own": ("imports: name '../own'", "small letters, digits and _"),
    "repro nosuch": ("dvc.yaml: no stage 'nosuch'", "check_derived, check_generated"),
    "repro train@memori_lstm --jobs 2": ("no stage 'train@memori_lstm'; did you mean 'train@memory_lstm'?",),
}


@pytest.mark.parametrize(("command", "change", "words"), PARAMS_CASES)
def test_a_mistake_in_params_yaml(changeable: Project, cli: Cli, command: str, change: Change, words):
    with changeable.changing_params() as params:
        change(params)
    before = changeable.hashes()
    assert_clear(cli(changeable, *command.split()), USER, "params.yaml", *words)
    assert_clear(cli(changeable, "check"), USER, "params.yaml", *words)
    assert changeable.hashes() == before


@pytest.mark.parametrize("command", NAME_CASES)
def test_a_mistake_on_the_command_line(made: Project, cli: Cli, command: str):
    before = made.hashes()
    assert_clear(cli(made, *command.split()), USER, *NAME_CASES[command])
    assert made.hashes() == before


def test_check_names_every_mistake_at_once(changeable: Project, cli: Cli):
    with changeable.changing_params() as params:
        params["datasets"]["digits"]["source"] = "digit"
        params["imports"]["own"]["path"] = "raw/gone.npz"
        params["derived"]["half_of_digits"]["parameters"]["share"] = 2
        params["variants"][MEMORY] |= {"sed": 1, "colour": "red"}
        params["variants"][IMAGE]["seed"] = -1
        params["derived"]["memory"] = params["derived"]["half_of_digits"] | {"parameters": {"share": 1}}
    finished = cli(changeable, "check")
    assert_clear(finished, USER, "memory' is used twice")
    for key in ("datasets.digits.source", "imports.own.path", "derived.half_of_digits.parameters.share"):
        assert finished.err.count(f"params.yaml: {key}: ") == 1
    for key in (f"{V}.sed", f"{V}.colour", f"variants.{IMAGE}.seed"):
        assert finished.err.count(f"params.yaml: {key}: ") == 1
    assert len(finished.err.splitlines()) == 7


def test_check_is_content_with_what_is_right(made: Project, cli: Cli):
    finished = cli(made, "check").succeeded()
    assert finished.err == "params.yaml: 5 datasets and 3 variants, all fine\n"


def test_one_bad_block_stops_no_other(changeable: Project, cli: Cli):
    with changeable.changing_params() as params:
        params["variants"][MEMORY]["seed"] = -1
    cli(changeable, "predict", MEMORY, "-e", "0").succeeded()
    cli(changeable, "generate", "memory").succeeded()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("params.yaml: not found", "project's folder")),
        ("variants: {a: [}", ("params.yaml: not valid YAML", "line 1")),
        ("variants:\n\tmemory: 1\n", ("params.yaml: not valid YAML", "line 2")),
        ("- variants\n", ("params.yaml",)),
        ("just words\n", ("params.yaml",)),
        ("variants: [memory]\n", ("params.yaml", "variants")),
        ("variants: {1: {}}\n", ("params.yaml", "variants", "1")),
        ("variants: {memory.lstm: {}}\n", ("params.yaml", "memory.lstm", "small letters")),
        ("variants: {Memory: {}}\n", ("params.yaml", "Memory", "small letters")),
        ("variants: {seeds: {}}\n", ("params.yaml", "variants.seeds")),
        ("variants: {data: {}}\n", ("params.yaml", "variants.data")),
        ("variants:\n  a: {seed: 1}\n  a: {seed: 2}\n", ("params.yaml: line 3: key 'a' stands twice",)),
        ("variants: {a: {start: models/b/train}, b: {start: models/a/train}}\n", ("params.yaml", "a <- b <- a")),
        (b"variants: {} # \xff\n", ("params.yaml: not valid YAML", "utf-8")),
        ("? [variants]\n: 1\n", ("params.yaml: not valid YAML", "unhashable key")),
    ],
)
def test_a_params_yaml_that_is_none(changeable: Project, cli: Cli, content: str | bytes | None, words):
    if content is None:
        (changeable / "params.yaml").unlink()
    else:
        (changeable / "params.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in ("check", f"train {MEMORY}"):
        finished = cli(changeable, *command.split())
        assert_clear(finished, USER, *(words if command == "check" else words[:1]))


def as_npy(array: Any) -> Callable[[Path], None]:
    # Writes what must be refused: an array of objects is a pickle inside.
    return lambda path: np.save(path, array, allow_pickle=True)


def as_text(text: str) -> Callable[[Path], Any]:
    return lambda path: path.write_text(text)


def as_bytes(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


INPUT_CASES = [
    (IMAGE, "shape.npy", as_npy(np.zeros((27, 28), np.uint8)), ("[27, 28] of uint8", "28 x 28")),
    (IMAGE, "many.npy", as_npy(np.zeros((3, 27, 28), np.uint8)), ("many.npy[0]", "28 x 28")),
    (IMAGE, "number.npy", as_npy(np.float64(3)), ("number.npy", "single number")),
    (IMAGE, "nan.npy", as_npy(np.full((28, 28), np.nan)), ("nan.npy", "NaN or infinity", "finite")),
    (IMAGE, "range.npy", as_npy(np.full((28, 28), 300)), ("300", "0 to 255")),
    (IMAGE, "words.npy", as_npy(np.full((28, 28), "a")), ("words.npy", "numbers")),
    (IMAGE, "objects.npy", as_npy(np.array([{}, None], dtype=object)), ("objects.npy", "not a readable .npy")),
    (IMAGE, "empty.npy", as_bytes(b""), ("empty.npy", "not a readable .npy")),
    (IMAGE, "cut.npy", as_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'"), ("cut.npy", "not a readable .npy")),
    (IMAGE, "noise.npz", as_bytes(b"PK\x03\x04 and no more"), ("noise.npz", "not a readable .npz")),
    (IMAGE, "noise.png", as_bytes(b"\x89PNG and no more"), ("noise.png", "not a readable picture")),
    (IMAGE, "large.png", lambda path: Image.new("L", (30, 30)).save(path), ("large.png", "28 x 28")),
    (IMAGE, "words.txt", as_text("1 2 three\n"), ("words.txt:1", "'three'", "numbers separated by")),
    (IMAGE, "short.csv", as_text("1,2,3\n"), ("short.csv:1", "28 x 28")),
    (IMAGE, "broken.jsonl", as_text("[[1, 2]\n"), ("broken.jsonl:1", "not one JSON array")),
    (IMAGE, "ragged.jsonl", as_text("[[1, 2], [3]]\n"), ("ragged.jsonl:1", "not one JSON array")),
    (IMAGE, "object.jsonl", as_text('{"x": 1}\n'), ("object.jsonl:1",)),
    (IMAGE, "latin.txt", as_bytes(b"\xff\xfe1 2"), ("latin.txt",)),
    (IMAGE, "kind.gif", as_bytes(b"GIF89a"), ("extension '.gif'", ".npy", "stdin")),
    (IMAGE, "none", as_bytes(b""), ("extension 'none'", ".npy")),
    (MEMORY, "symbol.txt", as_text("3 0 5\n"), ("symbol.txt:1", "5", "integers 0 to 4")),
    (MEMORY, "negative.txt", as_text("3 -1\n"), ("negative.txt:1", "integers 0 to 4")),
    (MEMORY, "half.txt", as_text("3 0.5\n"), ("half.txt:1", "integers 0 to 4")),
    (MEMORY, "nan.csv", as_text("3,nan\n"), ("nan.csv:1", "allowed")),
    (MEMORY, "word.txt", as_text("drei\n"), ("word.txt:1", "'drei'")),
    (MEMORY, "picture.png", lambda path: Image.new("L", (4, 4)).save(path), ("picture.png", "symbols", ".npy")),
    (MEMORY, "empty.npy", as_npy(np.zeros(0, np.int64)), ("empty.npy",)),
    (CLIP, "flat.txt", as_text("0 1 0\n"), ("flat.txt:1", "any x 7 x 7")),
    (CLIP, "nan.npy", as_npy(np.full((7, 7, 7), np.inf)), ("nan.npy", "NaN or infinity")),
    (CLIP, "still.npy", as_npy(np.zeros((7, 6))), ("still.npy", "any x 7 x 7")),
    (CLIP, "nothing.npy", as_npy(np.zeros((0, 7, 7))), ("nothing.npy",)),
]


@pytest.mark.parametrize(
    ("variant", "name", "write", "words"), INPUT_CASES, ids=[f"{c[0]}-{c[1]}" for c in INPUT_CASES]
)
def test_an_input_that_cannot_be_answered(made: Project, cli: Cli, tmp_path: Path, variant, name, write, words):
    write(tmp_path / name)
    assert_clear(cli(made, "predict", variant, "--input", str(tmp_path / name)), USER, *words)


def test_an_input_that_is_not_there(made: Project, cli: Cli, tmp_path: Path):
    assert_clear(cli(made, "predict", IMAGE, "-i", str(tmp_path / "x.npy")), USER, "x.npy: no such file")
    (tmp_path / "folder.npy").mkdir()
    assert_clear(
        cli(made, "predict", IMAGE, "-i", str(tmp_path / "folder.npy")), USER, "folder.npy: a folder", "reads images"
    )


def test_what_was_answered_before_a_bad_line_stands(made: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("3 0 1\n9\n"))
    finished = cli(made, "predict", MEMORY, "-i", "-")
    assert finished.code == USER
    assert finished.out.startswith("stdin:1: ") and len(finished.lines()) == 1
    assert "stdin:2: " in finished.err and "integers 0 to 4" in finished.err


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("command", [f"evaluate {MEMORY}", f"predict {MEMORY} -e 0", "derive half_of_digits"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (alter, ("altered or cut off", "dvc repro")),
        (cut, ("altered or cut off",)),
        (Path.unlink, ("is missing", "dvc repro")),
    ],
)
def test_damaged_data_is_noticed(changeable: Project, cli: Cli, command, damage, words):
    dataset = "digits" if "digits" in command else "memory"
    path = f"data/{dataset}/test_x.npy"
    damage(changeable / path)
    before = changeable.hashes()
    assert_clear(cli(changeable, *command.split()), USER, path, *words)
    assert changeable.hashes() == before


def test_results_that_are_not_made_yet(changeable: Project, cli: Cli):
    from shutil import rmtree

    rmtree(changeable / f"models/{IMAGE}")
    assert_clear(cli(changeable, "predict", IMAGE, "-e", "0"), USER, "no export", f"dvc repro export@{IMAGE}")
    message = f"models/{IMAGE}/export/training.json: not found; make it with: dvc repro export@{IMAGE}"
    assert_clear(cli(changeable, "evaluate", IMAGE), USER, message)
    rmtree(changeable / "data/digits")
    assert_clear(cli(changeable, "train", IMAGE), USER, "data/digits/card.json: no dataset here", "generate digits")


def test_a_card_that_is_none(changeable: Project, cli: Cli):
    card = changeable / "data/digits/card.json"
    card.unlink()
    card.write_text("{}")
    assert_clear(cli(changeable, "evaluate", IMAGE), USER, "data/digits/card.json: not what this version writes")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (f"reports/{IMAGE}/metrics.json", "report"),
        (f"reports/{IMAGE}/train_timing.json", "report"),
        (f"models/{IMAGE}/train/training.json", f"export {IMAGE}"),
        (f"models/{IMAGE}/export/export.json", f"predict {IMAGE} -e 0"),
        (f"models/{IMAGE}/export/training.json", f"evaluate {IMAGE}"),
    ],
)
def test_a_result_that_is_damaged(changeable: Project, cli: Cli, path: str, command: str):
    file = changeable / path
    file.unlink()
    file.write_text("<<<<<<< HEAD\n")
    assert_clear(cli(changeable, *command.split()), USER, f"{path}: damaged, not JSON", "dvc repro")


def test_a_network_that_does_not_fit_its_images(changeable: Project, cli: Cli):
    with changeable.changing_params() as params:
        params["variants"][CLIP]["network"]["kernel_size"] = 60
    before = changeable.hashes()
    finished = changeable.pipeline("train", CLIP)
    assert_clear(finished, USER, f"params.yaml: variants.{CLIP}.network: cannot be built for (7, 7, 7, 1)")
    assert_clear(cli(changeable, "export", CLIP), USER, f"models/{CLIP}/train: trained with another network than")
    assert changeable.hashes() == before


def test_repeat_does_not_train_on_data_that_params_yaml_no_longer_means(changeable: Project, cli: Cli):
    with changeable.changing_params() as params:
        params["datasets"]["digits"]["splits"]["train"] += 1
    assert_clear(cli(changeable, "repeat", IMAGE), USER, "data/digits: not what params.yaml says", "generate@digits")


def test_weights_that_do_not_fit(changeable: Project):
    with changeable.changing_params() as params:
        params["variants"]["memory_next"] = params["variants"][MEMORY] | {"start": f"models/{IMAGE}/train"}
    before = changeable.hashes()
    finished = changeable.pipeline("train", "memory_next")
    assert_clear(finished, USER, f"variants.memory_next.start: the weights of models/{IMAGE}/train do not fit")
    assert changeable.hashes() == before


def test_ctrl_c_during_a_training_leaves_everything_as_it_was(changeable: Project):
    with changeable.changing_params() as params:
        params["variants"][MEMORY]["training"].update(steps=1_000_000, validate_every=50)
    before = changeable.hashes()
    process = changeable.start("train", MEMORY)
    assert process.stdout is not None
    next(line for line in process.stdout if "update" in line)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, out
    assert out.splitlines()[-1] == "interrupted: earlier results are as they were"
    assert "Traceback" not in out
    assert changeable.hashes() == before
    run = changeable.store().run(MEMORY)
    assert run.info.status == "KILLED"
    assert "KeyboardInterrupt" in run.data.tags["error"]


def test_every_variant_was_left_alone(made: Project):
    """The tests above that only read `made` must not have written to it."""
    assert made.run("git", "status", "--porcelain").out == ""
    assert set(VARIANTS) == set(made.params()["variants"])
