"""Long-lag recall: a cue at the first step, distractors that mean nothing, and at last the question what it was.

The problem that the LSTM was made for: Hochreiter & Schmidhuber, *Long Short-Term Memory* (1997), experiment 2.
Distractors are drawn anew at each step, so nothing but the cue tells the answer, and it lies `lag` steps back.
"""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.dataset import Arrays, Description

QUESTION = "?"
MOST_EXAMPLES = 1_000_000  # of a dataset
LARGEST_CHANCE = 1e-3  # that among so many two are the same


class Parameters(BaseModel):
    """lag: steps from the cue to the question. cues: how many there are, one for each label. distractors: how many
    different symbols lie between."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lag: int = Field(ge=1, le=100_000)
    cues: int = Field(default=2, ge=2, le=100)
    distractors: int = Field(default=4, ge=1, le=100)

    @classmethod
    def small(cls) -> Self:
        """Parameters that tests and smoke runs shrink with."""
        return cls(lag=6)


def draw_split(parameters: Parameters, num_examples: int, rng: np.random.Generator) -> Arrays:
    """`x` [N, lag + 1] uint8: a cue, distractors, the question; `y` [N] uint8: the cue. Cues take turns."""
    x = rng.integers(
        parameters.cues, parameters.cues + parameters.distractors, (num_examples, parameters.lag + 1), dtype=np.uint8
    )
    cues = (np.arange(num_examples) % parameters.cues).astype(np.uint8)
    x[:, 0] = cues
    x[:, -1] = parameters.cues + parameters.distractors
    return {"x": x, "y": cues}


def describe(parameters: Parameters, test: Arrays) -> Description:
    """A reader that remembers the first step knows every answer."""
    cues = [f"cue {number}" for number in range(parameters.cues)]
    return Description(
        text=f"a cue, {parameters.lag - 1} distractors, and the question what the cue was",
        layout="symbols",
        vocabulary=[*cues, *(str(number) for number in range(parameters.distractors)), QUESTION],
        classes=cues,
        ceilings={"accuracy": 1.0, "macro_f1": 1.0},
        disjoint=_are_different(parameters),
    )


def _are_different(parameters: Parameters) -> bool:
    """Whether sequences are so many that none is drawn twice: pairs of examples against sequences (birthday bound)."""
    num_sequences = parameters.cues * parameters.distractors ** (parameters.lag - 1)
    return num_sequences > MOST_EXAMPLES**2 / 2 / LARGEST_CHANCE
