"""Sentences of known words as the letters that a person reads.

Shape legend: N sentences, T words, V words that there are, W letters of the longest, R letters of a sentence.
"""

import numpy as np

from pipeline.dataset import PADDING, Array


def spelling_of(words: list[str]) -> Array:
    """Each word and a space after it, in UTF-8 [V, W], 0 beyond; nothing of padding."""
    spelt = [b"" if word == PADDING else f"{word} ".encode() for word in words]
    table = np.zeros((len(spelt), max(map(len, spelt))), np.uint8)
    for row, letters in zip(table, spelt, strict=True):
        row[: len(letters)] = list(letters)
    return table


def spell(sentences: Array, spelling: Array, target: Array) -> None:
    """Write sentences [N, T], none of them empty, into `target` [N, R], which is zeros; no space stands at the end."""
    width = np.count_nonzero(spelling, axis=1)
    ends = np.cumsum(width[sentences], axis=1)
    begins = ends - width[sentences]
    for place in range(spelling.shape[1]):
        row, at = np.nonzero(width[sentences] > place)
        target[row, begins[row, at] + place] = spelling[sentences[row, at], place]
    target[np.arange(len(sentences)), ends[:, -1] - 1] = 0
