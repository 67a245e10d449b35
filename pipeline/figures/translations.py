"""Texts that were answered with texts: how well by their length, some of them, and where the network looked."""

import textwrap
from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array
from pipeline.figures.drawing import RIGHT, TRAIN, VALIDATION, WRONG, canvas

CHARACTERS_A_LINE = 150
MAPS_A_ROW = 2
INCHES_A_TOKEN = 0.19
QUIET = "#57606a"


def scores_by_length(
    spans: Sequence[str], exact: Sequence[float], bleu: Sequence[float], counts: Sequence[int], label: str
) -> Figure:
    """The share of exact answers, and BLEU, of texts of each span of lengths, and how many those are."""
    figure, axes = canvas(8, 2.9, columns=2)
    names = [f"{span}\n{count}" for span, count in zip(spans, counts, strict=True)]
    for axis, values, title, highest, colour in (
        (axes[0], exact, "exact match", 1, TRAIN),
        (axes[1], bleu, "BLEU", 100, VALIDATION),
    ):
        axis.plot(range(len(values)), values, color=colour, marker="o", markersize=4)
        axis.set(title=title, xlabel=f"{label}; how many texts", ylim=(0, 1.05 * highest), xticks=range(len(values)))
        axis.set_xticklabels(names, fontsize=7)
    return figure


def translations(rows: Sequence[tuple[str, str, str, bool]]) -> Figure:
    """Texts, each with its reference, its answer, and whether that is right."""
    texts = []
    for source, reference, answer, right in rows:
        said = [("", source, QUIET), ("reference", reference, "black"), ("answer", answer, RIGHT if right else WRONG)]
        texts.append([(name, textwrap.wrap(text, CHARACTERS_A_LINE) or [""], colour) for name, text, colour in said])
    height = sum(len(lines) for named in texts for _, lines, _ in named) + len(texts)
    figure, axis = plt.subplots(figsize=(9, 0.16 * height + 0.2))
    line = 0
    for named in texts:
        for name, lines, colour in named:
            axis.text(0, -line, name, color=QUIET, fontsize=7, va="top")
            # Dollars are no formulas here.
            given = {"fontsize": 8, "va": "top", "linespacing": 1.15, "parse_math": False}
            axis.text(0.075, -line, "\n".join(lines), color=colour, **given)
            line += len(lines)
        line += 1
    axis.set(xlim=(0, 1), ylim=(-height, 0.5))
    axis.set_axis_off()
    return figure


def attention(maps: Sequence[tuple[Sequence[str], Sequence[str], Array]]) -> Figure:
    """Where a network looked: of each text its tokens (across), the answer's (down), and the weights [T, S]."""
    columns = min(MAPS_A_ROW, len(maps))
    rows = -(-len(maps) // columns)
    wide = 1.4 + INCHES_A_TOKEN * max(len(source) for source, _, _ in maps)
    high = 1.3 + INCHES_A_TOKEN * max(len(answer) for _, answer, _ in maps)
    figure, axes = plt.subplots(rows, columns, figsize=(wide * columns, high * rows), squeeze=False)
    for axis in axes.flat[len(maps) :]:
        axis.set_axis_off()
    for axis, (source, answer, weights) in zip(axes.flat, maps, strict=False):
        axis.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axis.set(xticks=range(len(source)), yticks=range(len(answer)))
        axis.set_xticklabels(source, rotation=90, fontsize=7, parse_math=False)
        axis.set_yticklabels(answer, fontsize=7, parse_math=False)
        axis.xaxis.tick_top()
        axis.grid(visible=False)
    return figure
