"""What to try next about a diagnosis, in the keys and numbers of the variant's own block: the likeliest first.

Steps are factors, not small changes: the next training should show whether it was this. What regularizes is from
Goodfellow, Bengio & Courville, Deep Learning (2016), chapter 7; bounds on the gradient from its 10.11.1.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.blocks import VariantBlock
from pipeline.diagnosis import Diagnosis

LONGER = 2
WIDER = 2
RATE_FACTOR = 3
CLIP_NORM = 1.0
LABEL_SMOOTHING = 0.1
MORE_DROPOUT, MOST_DROPOUT = 0.2, 0.5
PATIENCE = 3  # validations
WARMUP_SHARE = 0.1  # of all updates
EARLY_SHARE = 1 / 3  # of all rounds: a jump this early is one of the first, large updates
ENOUGH_ROUNDS = 5


@dataclass(frozen=True)
class Remedy:
    """One thing to try. key: below the variant in params.yaml, with its value now and then; None for a remark."""

    why: str
    key: str | None = None
    now: Any = None
    then: Any = None

    def __str__(self) -> str:
        return f"{self.short}, {self.why}" if self.key else self.why

    @property
    def short(self) -> str:
        """Without the reason for it, as a remark is no reason but the thing itself."""
        return f"{self.key}: {_text(self.now)} -> {_text(self.then)}" if self.key else self.why


def remedies(
    variant: str, diagnosis: Diagnosis, block: VariantBlock, history: Sequence[dict[str, float]]
) -> list[Remedy]:
    """What to try next, the likeliest first; never empty."""
    found = _Remedies(variant, diagnosis, block, history).found()
    return [remedy for remedy in found if remedy.key is None or remedy.now != remedy.then]


class _Remedies:
    def __init__(
        self, variant: str, diagnosis: Diagnosis, block: VariantBlock, history: Sequence[dict[str, float]]
    ) -> None:
        self.variant, self.diagnosis, self.block, self.history = variant, diagnosis, block, history
        self.training = block.training
        self.classifies = "val_accuracy" in history[0]

    def found(self) -> Iterator[Remedy]:
        match self.diagnosis.sign:
            case "few rounds":
                yield self._more_rounds()
            case "no number" | "jump" | "swings" | "validation swings" | "both rise":
                yield from self._steadier()
            case "rise":
                yield from self._stop_earlier()
                yield from self._regularize()
            case "gap":
                if self.training.keep == "last" and self._best < len(self.history) - 1:
                    yield self._kept()
                yield from self._regularize()
            case "falling":
                yield self._longer()
                yield self._rate(RATE_FACTOR, "to get as far in fewer updates")
            case "stuck":
                yield self._rate(RATE_FACTOR, "so that the loss begins to fall")
                yield from self._capacity()
                yield Remedy(f"are labels and inputs what they should be? python -m pipeline check-data {self.dataset}")
            case "far":
                yield from self._capacity()
                yield self._longer()
            case "reached" | "flat":
                yield Remedy("nothing in the curves asks for a change")
                yield Remedy(f"how much the score owes to the seed: python -m pipeline repeat {self.variant}")

    @property
    def dataset(self) -> str:
        return self.block.dataset

    def _steadier(self) -> Iterator[Remedy]:
        """Smaller updates, or fewer large ones."""
        training, sign = self.training, self.diagnosis.sign
        if sign == "validation swings":
            yield Remedy(f"more validation examples in {self.dataset}: training is steady, what measures it is not")
        yield self._rate(1 / RATE_FACTOR, "for smaller updates")
        yield self._clipped()
        place, early = self.diagnosis.round, len(self.history) * EARLY_SHARE
        if sign == "jump" and not training.warmup_steps and place is not None and place < early:
            steps = max(1, round(self._step(len(self.history) - 1) * WARMUP_SHARE))
            yield Remedy("as it jumped early", "training.warmup_steps", 0, steps)
        elif sign == "jump" and self._can_smooth():
            yield self._smoothing("so that the loss stops asking for more certainty: docs/results.md")
        if sign in ("swings", "validation swings") and training.schedule == "constant":
            yield Remedy("so that updates shrink at the end", "training.schedule", "constant", "cosine")
        yield self._kept()

    def _clipped(self) -> Remedy:
        """A lower bound on the gradient, of the kind that the training has: it can have one."""
        why, training = "so that no batch moves the weights far", self.training
        if training.clip_value is not None:
            lower = _rounded(training.clip_value / RATE_FACTOR)
            return Remedy(why, "training.clip_value", training.clip_value, lower)
        clip = CLIP_NORM if training.clip_norm is None else _rounded(training.clip_norm / RATE_FACTOR)
        return Remedy(why, "training.clip_norm", training.clip_norm, clip)

    def _stop_earlier(self) -> Iterator[Remedy]:
        training = self.training
        if training.keep == "last":
            yield self._kept()
        if training.schedule == "cosine":  # whose rate is to reach zero where the training ends
            if self._step(self._best) > training.warmup_steps:
                yield self._length(self._best + 1, "to end where it was best, with the rate at zero by then")
        elif training.early_stopping is None:
            yield Remedy("to end soon after it was best", "training.early_stopping", None, PATIENCE)
        if training.keep == "best":
            yield self._kept()

    def _kept(self) -> Remedy:
        """Which weights are exported of a training that got worse."""
        step = self._step(self._best)
        if self.training.keep == "last":
            return Remedy(f"to export the weights of step {step}", "training.keep", "last", "best")
        return Remedy(f"keep: best is set, so the exported weights are those of step {step}, its lowest val_loss")

    def _regularize(self) -> Iterator[Remedy]:
        dropout = getattr(self.block.network, "dropout", None)
        if isinstance(dropout, float) and dropout < MOST_DROPOUT:
            more = _rounded(min(dropout + MORE_DROPOUT, MOST_DROPOUT))
            yield Remedy("to make it rely on less", "network.dropout", dropout, more)
        if self._can_smooth():
            yield self._smoothing("so that it is paid less for certainty")
        yield from self._width(1 / WIDER, "as a smaller network learns less by heart")
        yield Remedy(f"more training examples in {self.dataset}, which help whatever the cause is")

    def _capacity(self) -> Iterator[Remedy]:
        yield from self._width(WIDER, "as a larger network can fit more")
        dropout = getattr(self.block.network, "dropout", None)
        if dropout:
            yield Remedy("as less of it lets it fit more", "network.dropout", dropout, _rounded(dropout / WIDER))

    def _width(self, factor: float, why: str) -> Iterator[Remedy]:
        """The recurrent units, or the filters of a network that has none; not of weights that have their width."""
        if self.block.start != f"data/{self.dataset}":
            return
        last_answers = getattr(self.block.network, "answer", None) == "recurrent"
        for name in ("units", "filters"):
            width = getattr(self.block.network, name, None)
            if isinstance(width, int):
                yield Remedy(why, f"network.{name}", width, max(1, int(width * factor)))
                return
            if isinstance(width, list) and width:
                wider = [max(1, int(each * factor)) for each in width]
                then = [*wider[:-1], width[-1]] if name == "units" and last_answers else wider
                yield Remedy(why, f"network.{name}", width, then)
                return

    def _more_rounds(self) -> Remedy:
        steps, every = self.training.steps, self.training.validate_every
        if self._was_stopped:
            return self._more_patience()
        if self._planned_rounds >= ENOUGH_ROUNDS:
            return Remedy(
                f"params.yaml asks for {self._planned_rounds} validations now: dvc repro train@{self.variant}"
            )
        if steps is None or every is None or steps < ENOUGH_ROUNDS:
            return self._length(ENOUGH_ROUNDS, "to see a curve")
        divisors = [part for part in range(1, steps // ENOUGH_ROUNDS + 1) if steps % part == 0]  # as Training wants it
        return Remedy("to see a curve", "training.validate_every", every, divisors[-1])

    def _longer(self) -> Remedy:
        if self._was_stopped:
            return self._more_patience()
        return self._length(len(self.history) * LONGER, "to let it finish")

    @property
    def _planned_rounds(self) -> int:
        training = self.training
        return training.epochs or (training.steps or 0) // (training.validate_every or 1)

    @property
    def _was_stopped(self) -> bool:
        return self.training.early_stopping is not None and len(self.history) < self._planned_rounds

    def _more_patience(self) -> Remedy:
        patience = self.training.early_stopping or 1
        return Remedy("as that ended it", "training.early_stopping", patience, patience * LONGER)

    def _length(self, rounds: int, why: str) -> Remedy:
        training = self.training
        if training.steps is not None:
            every = training.validate_every or 1
            return Remedy(why, "training.steps", training.steps, rounds * every)
        return Remedy(why, "training.epochs", training.epochs, rounds)

    def _rate(self, factor: float, why: str) -> Remedy:
        rate = self.training.learning_rate
        return Remedy(why, "training.learning_rate", rate, _rounded(rate * factor))

    def _can_smooth(self) -> bool:
        return self.classifies and not self.training.label_smoothing

    def _smoothing(self, why: str) -> Remedy:
        return Remedy(why, "training.label_smoothing", self.training.label_smoothing, LABEL_SMOOTHING)

    @property
    def _best(self) -> int:
        """The round whose weights `keep: best` keeps."""
        return min(range(len(self.history)), key=lambda place: self.history[place]["val_loss"])

    def _step(self, place: int) -> int:
        return int(self.history[place]["step"])


def _rounded(value: float) -> float:
    """To the digits that somebody would write."""
    return float(f"{value:.2g}")


def _text(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else json.dumps(value).strip('"')
