"""Drawing moving-square clips: all at once with NumPy as arrival times, or frame by frame as the tutorials do."""

import sys
import tempfile
import time
from pathlib import Path
from random import randint, random
from typing import Any

from benchmarks.measuring import Row, answer, below, faster, measured, peak_megabytes

SIZE = 50
TITLE = f"draw moving squares of {SIZE} x {SIZE} x {SIZE}"
NUM_SEQUENCES, QUICK_SEQUENCES = 5000, 500
ROUNDS, QUICK_ROUNDS = 3, 1
BATCH_SIZE = 32
LEAST, LEAST_EXPANDED, MOST_MEGABYTES = 100, 15, 300


def rows(quick: bool) -> list[Row]:
    """Every contestant anew in each round, because the memory of a process is known only at its end."""
    num_sequences, rounds = (QUICK_SEQUENCES, QUICK_ROUNDS) if quick else (NUM_SEQUENCES, ROUNDS)
    names = ("ours", "frames", "arrivals")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(measured("generation", name, str(num_sequences)))

    def best(name: str, value: str) -> float:
        return float(min(each[value] for each in found[name]))

    ours, loop, compact = (best(name, "seconds") for name in names)
    clips = f"{num_sequences:,} clips"
    return [
        faster(f"{clips}: a loop over frames", ours, loop, "s", LEAST),
        faster(f"{clips}, each expanded once: a loop over frames", best("ours", "expanded"), loop, "s", LEAST_EXPANDED),
        faster(f"{clips}: a loop over arrival times", ours, compact, "s", None),
        below(
            f"{clips}: peak memory, and the loop's over frames",
            best("ours", "megabytes"),
            MOST_MEGABYTES,
            "MB",
            best("frames", "megabytes"),
        ),
    ]


def draw_ours(num_sequences: int) -> None:
    """As the stage `generate` does it, files and checksums included; then every batch once as frames."""
    from pipeline.dataset import Dataset
    from pipeline.datasets import moving_square
    from pipeline.stages.generate import generate
    from pipeline.views import VIEWS

    parameters = moving_square.Parameters(size=SIZE, directions=2)
    splits = {"train": num_sequences, "validation": 1, "test": 1}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "moving_square")
        started = time.perf_counter()
        card = generate("moving_square", moving_square, parameters, 1, splits, target)
        seconds = time.perf_counter() - started
        arrays = Dataset(target).split("train")
        for start in range(0, num_sequences, BATCH_SIZE):
            chosen = {name: values[start : start + BATCH_SIZE] for name, values in arrays.items()}
            VIEWS["frames"].inputs(chosen, card)
        expanded = time.perf_counter() - started
    answer(seconds=seconds, expanded=expanded, megabytes=peak_megabytes())


def draw_frames(num_sequences: int) -> None:
    """Each frame a copy of the one before with one pixel more; lists of lists of frames, stacked at the end."""
    import numpy as np

    started = time.perf_counter()
    clips, labels = [], []
    for _ in range(num_sequences):
        to_the_right = random() < 0.5
        frame, frames = np.zeros((SIZE, SIZE)), []
        for step, row in enumerate(_walk()):
            frame = frame.copy()
            frame[row, step if to_the_right else SIZE - 1 - step] = 1
            frames.append(frame)
        clips.append(frames)
        labels.append(int(to_the_right))
    np.array(clips).reshape(num_sequences, SIZE, SIZE, SIZE, 1)
    np.array(labels).reshape(num_sequences, 1)
    answer(seconds=time.perf_counter() - started, megabytes=peak_megabytes())


def draw_arrivals(num_sequences: int) -> None:
    """The same loop, storing when each pixel is set instead of what every frame looks like."""
    import numpy as np

    started = time.perf_counter()
    maps, labels = [], []
    for _ in range(num_sequences):
        to_the_right = random() < 0.5
        arrival = np.full((SIZE, SIZE), SIZE, dtype=np.uint8)
        for step, row in enumerate(_walk()):
            arrival[row, step if to_the_right else SIZE - 1 - step] = step
        maps.append(arrival)
        labels.append(int(to_the_right))
    np.array(maps)
    np.array(labels)
    answer(seconds=time.perf_counter() - started, megabytes=peak_megabytes())


def _walk() -> list[int]:
    """The row in each frame, drawn from those within reach of the row before."""
    path = [randint(0, SIZE - 1)]
    for _ in range(SIZE - 1):
        path.append(randint(max(0, path[-1] - 1), min(SIZE - 1, path[-1] + 1)))
    return path


if __name__ == "__main__":
    name, number = sys.argv[1:]
    {"ours": draw_ours, "frames": draw_frames, "arrivals": draw_arrivals}[name](int(number))
