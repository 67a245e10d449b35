"""`python -m pipeline predict`: every format it reads, the same answers from all, and how soon it answers."""

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from project import CLIP, IMAGE, MEMORY, VARIANTS, Finished, Project

from pipeline.dataset import Dataset
from pipeline.runtime import Export

pytest_plugins = ["project"]
pytestmark = pytest.mark.slow

Cli = Callable[..., Finished]
FORMATS = {
    CLIP: ("one.npy", "several.npy", "channel.npy", "several.npz", "lines.jsonl"),
    MEMORY: ("one.npy", "several.npy", "several.npz", "lines.txt", "lines.csv", "lines.jsonl"),
    IMAGE: ("one.npy", "several.npy", "channel.npy", "several.npz", "lines.txt", "lines.csv", "lines.jsonl", "one.png"),
}
SECONDS_TO_START = 2.5


def examples(project: Project, variant: str) -> Any:
    """The first two of the test split, in the form in which a user gives them."""
    export = Export(project / f"models/{variant}/export")
    dataset = Dataset(project / f"data/{export.manifest.dataset}")
    return export.view.as_given({k: v[:2] for k, v in dataset.split("test").items()}, dataset.card)


def write(path: Path, given: Any) -> None:
    """Write examples in the format that the path's name says; `one.*` holds the first alone."""
    chosen = given[0] if path.stem == "one" else given[..., None] if path.stem == "channel" else given
    rows = [array.ravel().tolist() for array in given]
    match path.suffix:
        case ".npy":
            np.save(path, chosen)
        case ".npz":
            np.savez(path, first=given[0], rest=given[1:])
        case ".png" | ".jpg":
            Image.fromarray(chosen).save(path, quality=100)
        case ".txt":
            path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
        case ".csv":
            path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
        case ".jsonl":
            path.write_text("".join(json.dumps(array.tolist()) + "\n" for array in given))


def answers(finished: Finished) -> list[dict[str, Any]]:
    """Answers of `--json`, without the names of the examples."""
    found = [json.loads(line) for line in finished.succeeded().lines()]
    assert all(answer.pop("example") for answer in found)
    return found


@pytest.mark.parametrize(("variant", "name"), [(variant, name) for variant in VARIANTS for name in FORMATS[variant]])
def test_every_format_gives_the_same_answers(made: Project, cli: Cli, tmp_path: Path, variant, name):
    write(tmp_path / name, examples(made, variant))
    expected = [answers(cli(made, "predict", variant, "--example", str(n), "--json"))[0] for n in (0, 1)]
    found = answers(cli(made, "predict", variant, "--input", str(tmp_path / name), "--json"))
    assert found == (expected[:1] if name.startswith("one") else expected)


def test_a_photo_is_read_nearly_like_the_picture(made: Project, cli: Cli, tmp_path: Path):
    write(tmp_path / "one.jpg", examples(made, IMAGE))
    (found,) = answers(cli(made, "predict", IMAGE, "-i", str(tmp_path / "one.jpg"), "--json"))
    (expected,) = answers(cli(made, "predict", IMAGE, "-e", "0", "--json"))
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=0.1)


def test_the_answers_are_those_that_were_scored(made: Project, cli: Cli):
    rows = [row.split(",") for row in (made / f"reports/{IMAGE}/predictions.csv").read_text().splitlines()[1:]]
    for number, (_, _, predicted, probability) in enumerate(rows[:5]):
        (found,) = answers(cli(made, "predict", IMAGE, "-e", str(number), "--json"))
        assert found["label"] == predicted
        assert found["probability"] == pytest.approx(float(probability), abs=2e-4)


def test_lines_from_stdin_are_answered(made: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("3 0 1 2\n\n4,0,1,2\n"))
    lines = cli(made, "predict", MEMORY, "--input", "-").succeeded().lines()
    assert [line.partition(": ")[0] for line in lines] == ["stdin:1", "stdin:3"]
    stored = [cli(made, "predict", MEMORY, "-e", n).lines()[0].partition(": ")[2] for n in "01"]
    assert [line.partition(": ")[2] for line in lines] == stored


@pytest.mark.parametrize("variant", [MEMORY, IMAGE])
def test_stdin_is_read_like_a_text_file(
    made: Project, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant
):
    path = tmp_path / "lines.txt"
    write(path, examples(made, variant))
    monkeypatch.setattr(sys, "stdin", io.StringIO(path.read_text()))
    expected = answers(cli(made, "predict", variant, "-i", str(path), "--json"))
    assert answers(cli(made, "predict", variant, "-i", "-", "--json")) == expected


def corrupt_npz(path: Path) -> None:
    """A compressed .npz of an image whose first compressed bytes, right after the member's name, are wrong."""
    np.savez_compressed(path, x=np.zeros((28, 28)))
    head, name, tail = path.read_bytes().partition(b"x.npy")
    extra = int.from_bytes(head[28:30], "little")
    path.write_bytes(head + name + tail[:extra] + b"\xff" * 20 + tail[extra + 20 :])


def absurd_npz(path: Path) -> None:
    """A .npz whose only array says that it holds 10^14 numbers."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())


def text_npz(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no array")


def broken_png(path: Path) -> None:
    """A picture whose chunk of pixels has a name that is none."""
    Image.new("L", (28, 28)).save(path)
    path.write_bytes(path.read_bytes().replace(b"IDAT", b"\xff" * 4))


BAD_FILES: dict[str, tuple[str, Callable[[Path], Any], tuple[str, ...]]] = {
    "long.txt": (MEMORY, lambda path: path.write_text("3 99999999999999999999\n"), ("long.txt:1", "1e+20", "0 to 4")),
    "long.csv": (IMAGE, lambda path: path.write_text("9" * 20 + ",0" * 783), ("long.csv:1", "1e+20", "0 to 255")),
    "empty.txt": (
        MEMORY,
        lambda path: path.write_text("\n\n"),
        ("empty.txt: holds no example; allowed: one and more",),
    ),
    "endless.txt": (MEMORY, lambda path: path.write_text("9" * 5000), ("endless.txt:1", "infinity", "finite")),
    "cell.csv": (MEMORY, lambda path: path.write_text("3\n" + "1" * 131073), ("cell.csv:2", "131072", "numbers")),
    "word.txt": (MEMORY, lambda path: path.write_text("x" * 1000), ("word.txt:1", f"found '{'x' * 40}'", "numbers")),
    "nested.jsonl": (MEMORY, lambda path: path.write_text("[" * 200_000), ("nested.jsonl:1", "not one JSON array")),
    "array.npz": (IMAGE, lambda path: np.save(path.open("wb"), np.zeros((28, 28))), ("array.npz", ".npy; rename it")),
    "zip.npy": (IMAGE, lambda path: np.savez(path.open("wb"), np.zeros((28, 28))), ("zip.npy", ".npz; rename it")),
    "corrupt.npz": (IMAGE, corrupt_npz, ("corrupt.npz, member x.npy", "corrupt or cut off")),
    "absurd.npz": (IMAGE, absurd_npz, ("absurd.npz, member x.npy", "cannot be read")),
    "text.npz": (IMAGE, text_npz, ("text.npz, member readme.txt", "cannot be read")),
    "objects.npz": (IMAGE, lambda path: np.savez(path, x=np.array([{}], dtype=object)), ("never loaded (pickle)",)),
    "broken.png": (IMAGE, broken_png, ("broken.png", "not a readable picture")),
    "huge.png": (IMAGE, lambda path: Image.new("1", (20_000, 20_000)).save(path), ("huge.png", "not a readable")),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_clear_message(made: Project, cli: Cli, tmp_path: Path, name: str):
    variant, write_bad, words = BAD_FILES[name]
    write_bad(tmp_path / name)
    finished = cli(made, "predict", variant, "-i", str(tmp_path / name))
    assert finished.code == 2, finished.text
    (line,) = finished.err.splitlines()
    assert line.startswith("error: ") and len(line) < 400
    for word in words:
        assert word in line


def test_a_number_of_stdin_that_is_too_long_is_one_clear_message(
    made: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("3 99999999999999999999\n"))
    finished = cli(made, "predict", MEMORY, "-i", "-")
    assert finished.code == 2
    assert finished.err.startswith("error: stdin:1: ") and "integers 0 to 4" in finished.err


def test_a_sequence_of_any_length_is_answered_step_by_step(made: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("3\n3 0\n3 0 1 2\n"))
    found = answers(cli(made, "predict", MEMORY, "-i", "-", "--json"))
    assert [len(answer["labels"]) for answer in found] == [1, 2, 4]
    assert found[2]["labels"][:2] == found[1]["labels"]  # what comes later changes no earlier answer


def test_a_person_reads_label_and_probability(made: Project, cli: Cli):
    (line,) = cli(made, "predict", IMAGE, "--example", "3").succeeded().lines()
    name, _, sentence = line.partition(": ")
    label, probability = sentence.split()
    assert name == "test[3]"
    assert label in "0123456789"
    assert 0.1 <= float(probability) <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_answers_soon_and_loads_none_of_the_heavy_packages(made: Project, variant):
    code = (
        "import sys; from pipeline.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'keras', 'mlflow', 'pandas', 'dvc'} & set(sys.modules)))"
    )
    seconds = []
    for _ in range(3):  # the fastest of them: the machine may be busy with other things
        started = time.monotonic()
        finished = made.run(sys.executable, "-c", code, "predict", variant, "--example", "0").succeeded()
        seconds.append(time.monotonic() - started)
        assert finished.lines()[-1] == "[]"
        if seconds[-1] < SECONDS_TO_START:
            break
    assert min(seconds) < SECONDS_TO_START
