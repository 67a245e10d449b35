"""The pictures of a report: curves, confusion, examples. Drawn without a display, with the same bytes each time."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array

if TYPE_CHECKING:
    import pandas as pd

RIGHT, WRONG, TRAIN, VALIDATION = "#1a7f37", "#cf222e", "#0969da", "#bc4c00"
FRAMES_SHOWN = 6
DOTS_PER_INCH = 90
CHARACTERS_A_LINE, LINES_A_TEXT = 150, 4
SMALLEST_NORM = 1e-20  # what is smaller still, or nothing, is drawn here
CHARACTERS_SHOWN, INCHES_A_CHARACTER, SPAN_ROWS = 110, 0.0672, 2.9
Marks = Sequence[tuple[int, int, str]]
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)


def canvas(width: float, height: float, columns: int = 1) -> tuple[Figure, Array]:
    """An empty figure of so many inches, and its axes [columns]."""
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, axes[0]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without the date and versions that would change its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)


def curves(history: Sequence[dict[str, float]]) -> Figure:
    """Loss and accuracy of both splits at each validation, over updates."""
    metrics = [name for name in history[0] if f"val_{name}" in history[0]]
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.6 * len(metrics), 2.7), squeeze=False)
    steps = [row["step"] for row in history]
    for axis, metric in zip(axes[0], sorted(metrics, key=lambda name: name != "loss"), strict=True):
        for name, label, colour in ((metric, "training", TRAIN), (f"val_{metric}", "validation", VALIDATION)):
            axis.plot(steps, [row[name] for row in history], color=colour, label=label, marker="o", markersize=3)
        axis.set(title=metric, xlabel="updates")
        if metric == "loss":
            axis.set_yscale("log")
    axes[0][0].legend()
    return figure


def confusion(actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Figure:
    """How often each class was answered for each class."""
    index = {name: place for place, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for true, answer in zip(actual, predicted, strict=True):
        counts[index[true], index[answer]] += 1
    side = 1.6 + 0.36 * len(classes)
    figure, axis = plt.subplots(figsize=(side, side))
    axis.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > counts[row].sum() / 2 else "black"
            axis.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    axis.set(xlabel="predicted", ylabel="actual", xticks=range(len(classes)), yticks=range(len(classes)))
    axis.set_xticklabels(classes, rotation=45 if max(map(len, classes)) > 2 else 0)
    axis.set_yticklabels(classes)
    axis.grid(visible=False)
    return figure


def clips(clips: Array, captions: Sequence[str], right: Sequence[bool]) -> Figure:
    """Clips [N, T, H, W, C] as strips of frames from first to last, one strip a row."""
    num_steps = clips.shape[1]
    steps = np.unique(np.linspace(0, num_steps - 1, min(FRAMES_SHOWN, num_steps)).round().astype(int))
    width_of_frame = max(0.35, min(1.1, 1.1 * clips.shape[3] / clips.shape[2]))
    figure, axes = plt.subplots(
        len(clips), len(steps), figsize=(1.4 + (width_of_frame + 0.1) * len(steps), 1.25 * len(clips)), squeeze=False
    )
    for row, (clip, caption, good) in enumerate(zip(clips, captions, right, strict=True)):
        for axis, step in zip(axes[row], steps, strict=True):
            _show(axis, clip[step])
            if row == 0:
                axis.set_title(f"frame {step + 1}", fontsize=7)
        axes[row][0].set_ylabel(
            caption, color=RIGHT if good else WRONG, rotation=0, ha="right", va="center", fontsize=8
        )
    return figure


def images(images: Array, captions: Sequence[str], right: Sequence[bool], columns: int = 8) -> Figure:
    """Images [N, H, W, C] in a grid, each with its caption."""
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * 0.95, rows * 1.15), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption, good in zip(axes.flat, images, captions, right, strict=False):
        axis.set_axis_on()
        _show(axis, image)
        axis.set_title(caption, color=RIGHT if good else WRONG, fontsize=8)
    return figure


def sequences(
    inputs: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> Figure:
    """Sequences as rows of symbols: what is seen at each step and, below it, what is answered."""
    longest = max(len(sequence) for sequence in inputs)
    figure, axis = plt.subplots(figsize=(1.2 + 0.45 * longest, 0.9 * len(inputs)))
    for row, (seen, true, answers) in enumerate(zip(inputs, actual, predicted, strict=True)):
        for step, (symbol, right, answer) in enumerate(zip(seen, true, answers, strict=True)):
            axis.text(step, -2 * row, symbol, ha="center", va="center", color="#57606a", fontsize=10)
            colour = RIGHT if right == answer else WRONG
            axis.text(step, -2 * row - 0.7, answer, ha="center", va="center", color=colour, fontsize=11, weight="bold")
        axis.text(-0.8, -2 * row, "sees", ha="right", va="center", fontsize=8, color="#57606a")
        axis.text(-0.8, -2 * row - 0.7, "answers", ha="right", va="center", fontsize=8)
    axis.set(xlim=(-2.2, longest - 0.4), ylim=(-2 * len(inputs) + 0.7, 0.6))
    axis.set_axis_off()
    return figure


def spans(texts: Sequence[Sequence[str]], actual: Sequence[Marks], predicted: Sequence[Marks]) -> Figure:
    """Texts, the spans that are there below their words in black, and those that were found, green if they are right.

    A span is (start, end, type), `end` being the first word after it.
    """
    lines = [line for text in zip(texts, actual, predicted, strict=True) for line in _lines_of(*text)]
    height = sum(SPAN_ROWS if marked else 1 for _, marked in lines) + len(texts)
    figure = plt.figure(figsize=(CHARACTERS_SHOWN * INCHES_A_CHARACTER, max(height, 1) * 0.16), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, CHARACTERS_SHOWN), ylim=(height, 0))
    axis.set_axis_off()
    row = 0.0
    for text, marked in lines:
        row += 0 if text else 1
        axis.text(0, row + 0.5, text, family="monospace", fontsize=8, va="center", parse_math=False)
        for (start, end, label), below, colour in marked:
            y = row + 1 + 0.8 * below
            axis.plot([start, end], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
            axis.text(start, y + 0.4, label, color=colour, fontsize=6, va="center", parse_math=False)
        row += (SPAN_ROWS if marked else 1) if text else 0
    return figure


def _lines_of(words: Sequence[str], actual: Marks, predicted: Marks) -> list[tuple[str, list[Any]]]:
    """A text in lines of so many characters, each with what is marked in it; an empty one after it."""
    right = {*actual} & {*predicted}
    lines: list[tuple[str, list[Any]]] = []
    first = 0
    while first < len(words):
        ends = np.cumsum([len(word) + 1 for word in words[first:]])
        count = max(1, int((ends <= CHARACTERS_SHOWN).sum()))
        places = [0, *ends[:count].tolist()]
        marked = []
        for below, (marks, wrong) in enumerate(((actual, "black"), (predicted, WRONG))):
            for start, end, label in marks:
                begins, stops = max(start - first, 0), min(end - first, count)
                if begins < stops:
                    colour = RIGHT if below and (start, end, label) in right else wrong
                    marked.append(((places[begins], places[stops] - 1, label), below, colour))
        lines.append((" ".join(words[first : first + count]), marked))
        first += count
    return [*lines, ("", [])]


def bars(values: Mapping[str, float], label: str) -> Figure:
    """One bar a name, with its value."""
    figure, axis = plt.subplots(figsize=(4.2, 0.6 + 0.28 * max(len(values), 1)))
    drawn = axis.barh(list(values), list(values.values()), color=TRAIN)
    axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
    axis.set(xlabel=label, xlim=(0, 1.12))
    axis.invert_yaxis()
    return figure


def mistakes(rows: Sequence[Mapping[str, object]]) -> Figure:
    """Texts that were answered wrongly, as far as there is room: what was answered how surely, and what is true."""
    texts = [textwrap.wrap(str(row["text"]), CHARACTERS_A_LINE, max_lines=LINES_A_TEXT) for row in rows]
    height = sum(len(lines) + 2 for lines in texts)
    figure, axis = plt.subplots(figsize=(8.5, 0.16 * height + 0.2))
    line = 0
    for row, lines in zip(rows, texts, strict=True):
        answer = f"{row['predicted']} {row['probability']:.3f}, not {row['actual']}  (test example {row['example']})"
        # Dollars are no formulas here.
        axis.text(0, -line, answer, color=WRONG, fontsize=8, weight="bold", va="top", parse_math=False)
        axis.text(0, -line - 1, "\n".join(lines), fontsize=8, va="top", linespacing=1.15, parse_math=False)
        line += len(lines) + 2
    axis.set(xlim=(0, 1), ylim=(-height, 0.5))
    axis.set_axis_off()
    return figure


def scatter(actual: Array, predicted: Array, names: Sequence[str]) -> Figure:
    """Predicted values [N, K] over true ones, one panel for each kind of value, and the line where both agree."""
    figure, axes = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.2), squeeze=False)
    for place, (axis, name) in enumerate(zip(axes[0], names, strict=True)):
        true, found = actual[..., place].ravel(), predicted[..., place].ravel()
        axis.scatter(true, found, s=6, alpha=0.4, color=TRAIN, linewidths=0)
        axis.axline((float(true.min()), float(true.min())), slope=1, color="black", linewidth=0.8)
        axis.set(title=name, xlabel="actual", ylabel="predicted")
    return figure


def series(actual: Array, predicted: Array, names: Sequence[str]) -> Figure:
    """True and predicted values [N, T, K] over the steps, one sequence a row, one kind of value a column."""
    rows, columns = len(actual), len(names)
    figure, axes = plt.subplots(rows, columns, figsize=(5.5 * columns, 1.6 * rows), squeeze=False, sharex=True)
    for row in range(rows):
        for column, name in enumerate(names):
            axis = axes[row][column]
            axis.plot(actual[row, :, column], color="black", linewidth=1, label="actual")
            axis.plot(predicted[row, :, column], color=TRAIN, linewidth=1, label="predicted")
            if row == 0:
                axis.set_title(name)
    axes[0][0].legend(ncols=2)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return figure


def gradients(of_variants: Mapping[str, "pd.DataFrame"]) -> Figure:
    """The norm of the gradient that reaches each step, with the first and with the last weights; dashed: as clipped."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, squeeze=False)
    for axis, when in zip(axes[0], ("first weights", "last weights"), strict=True):
        for name, table in of_variants.items():
            part = table[table["when"] == when]
            (line,) = axis.plot(part["step"], part["norm"].clip(lower=SMALLEST_NORM), linewidth=1.2, label=name)
            if (part["clipped"] < part["norm"]).any():
                clipped = part["clipped"].clip(lower=SMALLEST_NORM)
                axis.plot(part["step"], clipped, linewidth=1.2, linestyle="--", color=line.get_color())
        axis.set(title=when, xlabel="step of the sequence", yscale="log")
    axes[0][0].set_ylabel("norm of the gradient")
    axes[0][0].legend(fontsize=7)
    return figure


def _show(axis: plt.Axes, image: Array) -> None:
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    else:
        axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_alpha(0.3)
