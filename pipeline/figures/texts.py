"""Texts and symbols: what was answered to them, token by token or as a whole, and how well they were foretold."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array
from pipeline.figures.drawing import RIGHT, TRAIN, VALIDATION, WRONG, canvas

CHARACTERS_SHOWN = 40
NARROWEST_NAMED = 0.01  # share of the text below which a character's bar has no room for its name
CHARACTERS_A_LINE, LINES_A_TEXT = 150, 4
CHARACTERS_A_ROW, INCHES_A_CHARACTER, SPAN_ROWS = 110, 0.0672, 2.9
Marks = Sequence[tuple[int, int, str]]


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


def spans(texts: Sequence[Sequence[str]], actual: Sequence[Marks], predicted: Sequence[Marks]) -> Figure:
    """Texts, the spans that are there below their words in black, and those that were found, green if they are right.

    A span is (start, end, type), `end` being the first word after it.
    """
    lines = [line for text in zip(texts, actual, predicted, strict=True) for line in _lines_of(*text)]
    height = sum(SPAN_ROWS if marked else 1 for _, marked in lines) + len(texts)
    figure = plt.figure(figsize=(CHARACTERS_A_ROW * INCHES_A_CHARACTER, max(height, 1) * 0.16), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, CHARACTERS_A_ROW), ylim=(height, 0))
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
        count = max(1, int((ends <= CHARACTERS_A_ROW).sum()))
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


def by_position(num_read: Array, nats: Array, mean: float, ceiling: float | None) -> Figure:
    """The mean cross-entropy of a character over how many were read before it, the mean of all, and the ceiling's."""
    figure, axes = canvas(5.5, 2.7)
    axes[0].plot(num_read, nats, color=VALIDATION, linewidth=1.2, label="test")
    axes[0].axhline(mean, color=VALIDATION, linewidth=0.8, linestyle="--", label=f"mean {mean:.3f}")
    if ceiling is not None:
        axes[0].axhline(ceiling, color="black", linewidth=0.8, label=f"ceiling {ceiling:.3f}")
    axes[0].set(title="by position in the window", xlabel="characters read", ylabel="nats per character")
    axes[0].legend()
    return figure


def by_character(names: Sequence[str], nats: Sequence[float], counts: Sequence[int]) -> Figure:
    """The cross-entropy of the most frequent characters, the most frequent first; as wide as they are frequent."""
    order = np.argsort(-np.asarray(counts), kind="stable")[:CHARACTERS_SHOWN]
    widths = np.asarray(counts)[order] / np.sum(counts)
    ends = np.cumsum(widths)
    figure, axes = canvas(9, 2.7)
    axes[0].bar(ends - widths, np.asarray(nats)[order], widths, align="edge", color=TRAIN, edgecolor="white")
    for place, end, width in zip(order, ends, widths, strict=True):
        if width > NARROWEST_NAMED:
            axes[0].text(end - width / 2, nats[place], names[place], ha="center", va="bottom", fontsize=7)
    axes[0].set(title="by character", xlabel="share of the text", ylabel="nats per character")
    return figure
