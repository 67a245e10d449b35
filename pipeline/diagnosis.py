"""Reads the two curves of a training: under-fit, over-fit, a good fit, unstable, or too short to say.

The terms and what they look like are those of Goodfellow, Bengio & Courville, Deep Learning (2016): under-fitting is a
training loss that is not low enough, over-fitting a gap between training and validation that is too large (5.2), seen
as a validation loss that rises again while the training loss goes on falling (7.8, figure 7.3); a loss that leaps up
is a step off a cliff of the objective (8.2.4). That curves are to be read as one of these, each with what to do about
it, is from Brownlee, Long Short-Term Memory Networks with Python (2017), the chapter on diagnosing LSTMs.

The thresholds are ours. Each is a share of the *fall*: of the first loss less the lowest, of whichever curve. So
neither the unit of a loss nor a floor above zero, as label smoothing has one, changes a verdict. Two things look worse
than they are and count for nothing: `val_loss` below `loss`, because `loss` is a mean over the whole round, with
dropout; and a bump that is small beside the fall, however far above the noise.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["unstable", "over-fit", "under-fit", "good fit", "too short to say"]
Sign = Literal[
    "few rounds", "no number", "jump", "swings", "validation swings", "both rise", "rise", "gap", "falling", "stuck",
    "far", "reached", "flat",
]  # fmt: skip
VERDICTS: dict[Sign, Verdict] = {
    "few rounds": "too short to say",
    "no number": "unstable",
    "jump": "unstable",
    "swings": "unstable",
    "validation swings": "unstable",
    "both rise": "unstable",
    "rise": "over-fit",
    "gap": "over-fit",
    "falling": "under-fit",
    "stuck": "under-fit",
    "far": "under-fit",
    "reached": "good fit",
    "flat": "good fit",
}

FEWEST_ROUNDS = 3  # validations without which there is no curve
FEWEST_FOR_NOISE = 5  # below it three neighbours are most of the curve, and noise cannot be told from its shape
LEAST_FALL = 0.05  # of the first loss: with less, nothing was learned
LEAST_SCALE = 0.25  # of the first loss: where less was gained (from trained weights, say), noise is no share of it
JUMP = 0.2  # of the fall: a rise that loses so much again ...
JUMP_BEYOND_NOISE = 12  # ... and is more than chance makes of a hundred rounds of noise
SWING = 0.1  # of the fall: the noise from which on a curve is said to swing
RISE = 0.05  # of the fall: what validation lost since its best
FALLING = 0.1  # of the fall: what both still won from the middle third to the last; a decay then had 5 % of it to go
TREND_BEYOND_NOISE = 6  # how many times the noise a rise or fall is at least, after the median of three
GAP = 0.25  # of the fall: between training and validation at the end
REACHED = 0.99  # of the ceiling: nothing is left to gain
FAR = 0.9  # of the ceiling: with less, something is left to learn


@dataclass(frozen=True)
class Diagnosis:
    """What was seen in the curves. round: where, counted from 0, of a jump; the best one of a rise; else None."""

    sign: Sign
    reason: str
    round: int | None = None

    @property
    def verdict(self) -> Verdict:
        """What the sign is a sign of."""
        return VERDICTS[self.sign]


def diagnose(
    history: Sequence[dict[str, float]], metrics: dict[str, Any] | None = None, continued: bool = False
) -> Diagnosis:
    """Read the rows of a training history, and what metrics.json says of the score if there is one.

    continued: whether the training began with trained weights, which then may have had little to learn.
    """
    if len(history) < FEWEST_ROUNDS:
        return Diagnosis("few rounds", f"{_validations(len(history))}; a curve takes {FEWEST_ROUNDS} at least")
    curves = Curves(history)
    if not np.isfinite([curves.loss.values, curves.val_loss.values]).all():
        return Diagnosis("no number", "a loss in the history is no finite number")
    score = Score(metrics or {})
    rules: Iterable[Callable[[], Diagnosis | None]] = (
        lambda: _unstable(curves),
        lambda: _risen(curves, score),
        lambda: _jumped(curves, curves.val_loss, returns=False),
        lambda: _flat("reached", curves, score) if score.reached else None,
        lambda: _falling(curves, score),
        lambda: None if continued else _stuck(curves, score),
        lambda: _gap(curves, score),
        lambda: _far(curves, score),
    )
    return next((found for rule in rules if (found := rule())), _flat("flat", curves, score))


class Curve:
    """A loss after each round [N], and what can be measured about it."""

    def __init__(self, name: str, values: Iterable[float]) -> None:
        self.name, self.values = name, np.array(list(values))

    @cached_property
    def _medians(self) -> NDArray[np.float64]:
        """Of each value and its two neighbours [N - 2]: a curve that only falls is left as it is, a spike is gone."""
        return np.median(np.lib.stride_tricks.sliding_window_view(self.values, 3), axis=1)

    @cached_property
    def noise(self) -> float:
        """Mean distance from the running median of three, the largest left out, which may be a jump."""
        if len(self.values) < FEWEST_FOR_NOISE:
            return 0.0
        return float(np.sort(np.abs(self.values[1:-1] - self._medians))[:-1].mean())

    @cached_property
    def smooth(self) -> NDArray[np.float64]:
        """The running median of three [N]; the last by Tukey's rule, no farther than the line of the two before."""
        if len(self.values) < FEWEST_FOR_NOISE:
            return self.values
        before, last = self._medians[-2], self._medians[-1]
        return np.array([self.values[0], *self._medians, np.median([self.values[-1], last, 3 * last - 2 * before])])

    @property
    def risen(self) -> float:
        """How far it ends above its lowest, spikes apart."""
        return float(self.smooth[-1] - self.smooth.min())

    @property
    def late_fall(self) -> float:
        """From the middle third of its rounds to the last, by medians."""
        third = len(self.values) // 3
        return float(np.median(self.values[-2 * third : -third]) - np.median(self.values[-third:]))

    def highest_jump(self, returns: bool) -> tuple[float, int]:
        """The farthest it ever stood above the lowest before it, and in which round; of those it came back from."""
        height = self.values - np.minimum.accumulate(self.values)
        if returns:
            lowest_later = np.minimum.accumulate(self.values[::-1])[::-1]
            height = np.minimum(height, self.values - lowest_later)
        return float(height.max()), int(height.argmax())


class Curves:
    """Both losses, the updates of each round, and `scale`, the fall that everything is a share of."""

    def __init__(self, history: Sequence[dict[str, float]]) -> None:
        self.steps = [int(row["step"]) for row in history]
        self.loss = Curve("loss", (row["loss"] for row in history))
        self.val_loss = Curve("val_loss", (row["val_loss"] for row in history))
        both = np.array([self.loss.values, self.val_loss.values])
        self.fall = float(both[:, 0].max() - both.min())
        self.level = float(np.abs(both[:, 0]).max())
        self.scale = max(self.fall, LEAST_SCALE * self.level) or 1.0

    @property
    def gap(self) -> float:
        """How far validation ends above training."""
        return float(self.val_loss.smooth[-1] - self.loss.smooth[-1])

    def share(self, difference: float) -> str:
        """A difference of losses as a share of the fall, or of the first loss where that fell too little."""
        if self.fall < self.scale:
            return f"{difference / (self.level or 1.0):.1%} of the first loss"
        return f"{difference / self.fall:.1%} of the fall"


class Score:
    """What metrics.json says: whether nothing, or much, is left to gain, and the sentence for it."""

    def __init__(self, metrics: dict[str, Any]) -> None:
        share, gate = metrics.get("share_of_ceiling"), metrics.get("gate")
        self.reached = share is not None and share >= REACHED
        self.far = gate == "failed" or (share is not None and share < FAR)
        self.text = ""
        if metrics:
            most = "most" if metrics["higher_is_better"] else "least"
            of = "" if share is None else f" of at {most} {metrics['ceiling']:.4g} ({share:.1%})"
            self.text = f"{metrics['metric']} is {metrics['score']:.4g}{of}, the gate {gate}"

    def after(self, reason: str) -> str:
        """The reason, and then the score where there is one."""
        return f"{reason}; {self.text}" if self.text else reason


def _unstable(curves: Curves) -> Diagnosis | None:
    """What no loss does if updates are small enough; the training loss may not even rise: it is what is minimised."""
    loss, val_loss = curves.loss, curves.val_loss
    if found := _jumped(curves, loss, returns=False) or _jumped(curves, val_loss, returns=True):
        return found
    swinging: dict[Sign, Curve] = {"swings": loss, "validation swings": val_loss}
    for sign, curve in swinging.items():
        if curve.noise >= SWING * curves.scale:
            noise = f"{curve.noise:.3g} from round to round, {curves.share(curve.noise)}"
            return Diagnosis(sign, f"{curve.name} swings by {noise}")
    if all(_is_trend(curves, curve, curve.risen, RISE) for curve in (loss, val_loss)):
        ends = " and ".join(f"{curve.name} by {curves.share(curve.risen)}" for curve in (loss, val_loss))
        return Diagnosis("both rise", f"both losses have risen from their lowest: {ends}")
    return None


def _jumped(curves: Curves, curve: Curve, returns: bool) -> Diagnosis | None:
    height, place = curve.highest_jump(returns)
    if height < JUMP * curves.scale or height < JUMP_BEYOND_NOISE * curve.noise:
        return None
    values, lowest = curve.values, int(curve.values[: place + 1].argmin())
    start, top = (f"{values[at]:.4g} at step {curves.steps[at]}" for at in (lowest, place))
    end = f"came back to {values[place:].min():.4g}" if place + 1 < len(values) else "ended there"
    return Diagnosis("jump", f"{curve.name} rose from {start} to {top}, {curves.share(height)}, and {end}", place)


def _risen(curves: Curves, score: Score) -> Diagnosis | None:
    loss, val_loss = curves.loss, curves.val_loss
    if not _is_trend(curves, val_loss, val_loss.risen, RISE):
        return None
    best = int(val_loss.values.argmin())
    lowest, end = f"{val_loss.values[best]:.4g} at step {curves.steps[best]}", f"{val_loss.values[-1]:.4g}"
    meanwhile = f"loss went from {loss.values[best]:.4g} to {loss.values[-1]:.4g}"
    reason = f"val_loss has risen from {lowest} to {end}, {curves.share(val_loss.risen)}, while {meanwhile}"
    return Diagnosis("rise", score.after(reason), best)


def _falling(curves: Curves, score: Score) -> Diagnosis | None:
    both = (curves.loss, curves.val_loss)
    if not all(_is_trend(curves, curve, curve.late_fall, FALLING) for curve in both):
        return None
    falls = " and ".join(f"{curve.name} by {curves.share(curve.late_fall)}" for curve in both)
    return Diagnosis(
        "falling", score.after(f"both losses still fell, from the middle third of the rounds to the last: {falls}")
    )


def _gap(curves: Curves, score: Score) -> Diagnosis | None:
    if curves.gap < GAP * curves.scale:
        return None
    ends = f"val_loss ends at {curves.val_loss.smooth[-1]:.4g}, loss at {curves.loss.smooth[-1]:.4g}"
    return Diagnosis("gap", score.after(f"{ends}: a gap of {curves.share(curves.gap)}"))


def _stuck(curves: Curves, score: Score) -> Diagnosis | None:
    if curves.fall >= LEAST_FALL * curves.level:
        return None
    share = curves.fall / curves.level if curves.level else 0.0
    return Diagnosis("stuck", score.after(f"neither loss ever was more than {share:.1%} below the first one"))


def _far(curves: Curves, score: Score) -> Diagnosis | None:
    if not score.far:
        return None
    return Diagnosis("far", f"{score.text}, while training and validation agree to {curves.share(abs(curves.gap))}")


def _flat(sign: Sign, curves: Curves, score: Score) -> Diagnosis:
    val_loss, gap = curves.val_loss, curves.gap
    ends = f"val_loss went from {val_loss.values[0]:.4g} to {val_loss.values[-1]:.4g}"
    way = "fell" if val_loss.late_fall >= 0 else "rose"
    late = f"{way} by {curves.share(abs(val_loss.late_fall))} from the middle third of the rounds to the last"
    beside = f"and ends {curves.share(abs(gap))} {'above' if gap > 0 else 'below'} loss"
    return Diagnosis(sign, score.after(f"{ends}; it {late} {beside}"))


def _is_trend(curves: Curves, curve: Curve, difference: float, share: float) -> bool:
    return difference >= share * curves.scale and difference >= TREND_BEYOND_NOISE * curve.noise


def _validations(number: int) -> str:
    return "there is 1 validation" if number == 1 else f"there are {number} validations"
