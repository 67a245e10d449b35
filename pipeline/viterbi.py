"""The best sequence of labels as a whole, by the scores of pairs of neighbouring labels.

Viterbi, *Error Bounds for Convolutional Codes* (1967). Shape legend: N sequences, T steps, K labels.
"""

import numpy as np

from pipeline.dataset import Array


def best_labels(scores: Array) -> Array:
    """The labels [N, T] whose scores [N, T, K, K] add up to most, [n, t, i, j] being that of j at t after i.

    At the first step the scores are the same for all i. Of equal sequences it is the one with the lower labels, from
    the end on.
    """
    num, steps = scores.shape[:2]
    came_from = np.zeros((steps, num, scores.shape[-1]), dtype=np.intp)
    best = scores[:, 0, 0].astype(np.float64)  # over thousands of steps float32 forgets small differences
    for step in range(1, steps):
        totals = best[:, :, None] + scores[:, step]
        came_from[step] = totals.argmax(axis=1)
        best = totals.max(axis=1)
    labels = np.empty((num, steps), dtype=np.intp)
    labels[:, -1] = best.argmax(axis=1)
    for step in range(steps - 1, 0, -1):
        labels[:, step - 1] = np.take_along_axis(came_from[step], labels[:, step, None], axis=1)[:, 0]
    return labels


def best_answers(scores: Array) -> Array:
    """The same as answers [N, T, K], 1 for the label of each step."""
    return np.eye(scores.shape[-1], dtype=np.float32)[best_labels(scores)]
