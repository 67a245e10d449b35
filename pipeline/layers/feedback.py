"""A recurrent cell that goes on by itself: each answer is the input of the next step.

Shape legend: B batch, U units, S steps, K values.
"""

from typing import Any

import keras
from keras import ops

Tensor = Any


@keras.saving.register_keras_serializable("cadence")
class Feedback(keras.layers.Layer):
    """Answers [B, S, K] from the last output [B, U] of `cell` and the states after it; `answer` is a dense layer."""

    def __init__(self, cell: keras.layers.Layer, answer: keras.layers.Layer, steps: int, **options: Any) -> None:
        super().__init__(**options)
        self.cell = cell
        self.answer = answer
        self.steps = steps

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        if not self.answer.built:
            self.answer.build(input_shape[0])

    def call(self, inputs: list[Tensor]) -> Tensor:
        output, *state = inputs
        answers = [self.answer(output)]
        while len(answers) < self.steps:
            output, state = self.cell(answers[-1], state)
            answers.append(self.answer(output))
        return ops.stack(answers, axis=1)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, int, int]:
        return (input_shape[0][0], self.steps, self.answer.units)
