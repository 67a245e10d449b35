"""When a challenger takes the champion's place: the comparison on the same test examples, and the rule.

Two tests must agree. The paired bootstrap says how large the difference may be, but is too bold where models differ on
a handful of examples only: four differences, all one way, give an interval that excludes 0. The paired randomization
test counts in how many ways of handing out each pair's answers the difference would be as large: 2 of 16 there.

Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 (percentile interval) and 15 (randomization).

Shape legend: N test examples, K statistics of the deciding metric (a task's `STATISTICS`), R resamples.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import Array

SEED, RESAMPLES = 0, 10_000
NUMBERS_AT_ONCE = 4_000_000
MOST_COUNTED = 13  # differing examples up to which every way of swapping is counted: 2 ** 13 are fewer than RESAMPLES
FEW_KINDS = 8  # with fewer examples than this of each kind, drawing them one by one is up to six times faster
ROUNDING = 1e-12

Verdict = Literal["better", "equal", "worse", "undecided"]
MetricOf = Callable[[Array], Array]


class Comparison(BaseModel):
    """Challenger against champion: all differences of the deciding metric, positive where the challenger is better.

    interval: percentile interval of the paired bootstrap at level 1 - alpha. p: two-sided, of the randomization test.
    alpha: what is allowed to chance, already divided by the number of challengers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    difference: float
    interval: tuple[float, float]
    p: float
    alpha: float

    def verdict(self, tolerance: float) -> Verdict:
        """Better or worse beyond doubt; equal where it is at most `tolerance` worse; else undecided."""
        significant = self.p <= self.alpha
        if significant and self.interval[0] > 0:
            return "better"
        if significant and self.interval[1] < 0:
            return "worse"  # however small: or the two would take the place from each other for ever
        return "equal" if self.interval[0] >= -tolerance - ROUNDING else "undecided"


def compare(
    champion: Array,
    challenger: Array,
    metric_of: MetricOf,
    lower_is_better: bool,
    confidence: float,
    num_challengers: int,
) -> Comparison:
    """Compare statistics [N, K] of the same test examples; the same numbers each time."""
    sign = -1.0 if lower_is_better else 1.0

    def difference(sums: Array) -> Array:
        """Of summed pairs [..., 2 K]: first the champion's sums, then the challenger's."""
        ours, theirs = np.split(sums, 2, axis=-1)
        return sign * (metric_of(theirs) - metric_of(ours))

    pairs = np.concatenate([champion, challenger], axis=1)
    alpha = (1 - confidence) / num_challengers
    resampled = np.concatenate([difference(sums) for sums in resample(pairs)])
    low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2])
    found = float(difference(pairs.sum(axis=0)))
    swapped = np.concatenate([difference(sums) for sums in swap(champion, challenger)])
    as_large = int((np.abs(swapped) >= abs(found) - ROUNDING).sum())
    counted = len(swapped) < RESAMPLES  # all there are, the one that was observed among them
    p = as_large / len(swapped) if counted else (as_large + 1) / (len(swapped) + 1)
    return Comparison(difference=found, interval=(float(low), float(high)), p=p, alpha=alpha)


def resample(pairs: Array) -> Iterator[Array]:
    """Sums [r, 2 K] over R resamples of N examples with replacement; equal rows are drawn together."""
    rng = np.random.default_rng(SEED)
    rows, kind, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    num_examples, num_kinds = len(pairs), len(rows)
    one_by_one = num_kinds * FEW_KINDS > num_examples
    for size in _chunks(max(num_examples if one_by_one else num_kinds, rows.shape[1])):
        if one_by_one:
            drawn = kind.ravel()[rng.integers(0, num_examples, (size, num_examples), dtype=np.int32)]
            cells = (drawn + np.arange(size)[:, None] * num_kinds).ravel()
            weights = np.bincount(cells, minlength=size * num_kinds).reshape(size, num_kinds)
        else:
            weights = rng.multinomial(num_examples, counts / num_examples, size=size)
        yield weights.astype(np.float64) @ rows


def swap(champion: Array, challenger: Array) -> Iterator[Array]:
    """Sums [r, 2 K] after swapping the two models' answers to some examples: every way, or R ways at random."""
    rng = np.random.default_rng(SEED)
    sums, gains = champion.sum(axis=0), challenger - champion
    gains = gains[gains.any(axis=1)]
    num_ways = 2 ** len(gains)
    if len(gains) <= MOST_COUNTED:
        swapped = (np.arange(num_ways)[:, None] >> np.arange(len(gains)) & 1) @ gains
        yield np.concatenate([sums + swapped, challenger.sum(axis=0) - swapped], axis=1)
        return
    rows, counts = np.unique(gains, axis=0, return_counts=True)
    for size in _chunks(max(rows.shape)):
        swapped = rng.binomial(counts, 0.5, size=(size, len(rows))).astype(np.float64) @ rows
        yield np.concatenate([sums + swapped, challenger.sum(axis=0) - swapped], axis=1)


def is_leaner(megabytes: tuple[float, float], latency_ms: tuple[float, float], margin: float) -> str | None:
    """How the challenger (second) needs less than the champion (first): `smaller`, `faster`; None where it does not.

    By `margin` in one of the two, while the other is at most `margin` more.
    """
    lean, kept = (1 - margin), (1 + margin)
    size, time = megabytes[1] / megabytes[0], latency_ms[1] / latency_ms[0]
    if size <= lean and time <= kept:
        return "smaller"
    return "faster" if time <= lean and size <= kept else None


def _chunks(width: int) -> Iterator[int]:
    """Numbers of resamples, R in all, whose weights of `width` fit into little memory."""
    most = max(1, NUMBERS_AT_ONCE // max(1, width))
    for start in range(0, RESAMPLES, most):
        yield min(most, RESAMPLES - start)
