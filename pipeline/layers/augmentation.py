"""Images changed by chance while a network learns: mirrored, turned, shifted.

Keras' own layers do it, but where nobody says whether the network is in training, as in an export, they do it too.
"""

from typing import Any

import keras

Tensor = Any
FULL_TURN = 360
BEYOND_THE_EDGE = "nearest"  # what a turned or shifted image shows there: the pixel at its edge


class Augmentation(keras.layers.Layer):
    """Images [B, H, W, C] of the same shape, each changed in its own way; as they are, unless in training.

    flip: whether half of them are mirrored, left to right. rotation: degrees, to either side at most. shift: share of
    height and width, to each side at most.
    """

    def __init__(self, flip: bool, rotation: float, shift: float) -> None:
        super().__init__()
        self.steps: list[Any] = [keras.layers.RandomFlip("horizontal")] if flip else []
        if rotation:
            self.steps.append(keras.layers.RandomRotation(rotation / FULL_TURN, fill_mode=BEYOND_THE_EDGE))
        if shift:
            self.steps.append(keras.layers.RandomTranslation(shift, shift, fill_mode=BEYOND_THE_EDGE))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for step in self.steps:
            step.build(input_shape)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        if training:
            for step in self.steps:
                images = step(images)
        return images

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
