"""What a network does to images, or to the frames of clips, before it looks at them; importing this imports no Keras.

It is part of the network, so whoever asks a trained one gives images as they are. What is done by chance is done in
training alone: a network that answers, and its export, leave it out.
"""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from pipeline.views import ExampleSpec

if TYPE_CHECKING:
    import keras


class PixelInput(BaseModel):
    """standardize: bring each channel to mean 0 and spread 1, as they are in the training split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    standardize: bool = False

    def standardized(self, pixels: "keras.KerasTensor", spec: ExampleSpec) -> "keras.KerasTensor":
        """Images [B, H, W, C], or clips [B, T, H, W, C], as they are to be seen."""
        import keras

        if not self.standardize:
            return pixels
        if not spec.channels:
            raise ValueError("standardize is true, and these frames are no stored pixels; allowed: false")
        scale = [1 / (spread or 1.0) for _, spread in spec.channels]  # what is the same everywhere stays so
        offset = [-mean * each for (mean, _), each in zip(spec.channels, scale, strict=True)]
        return keras.layers.Rescaling(scale, offset)(pixels)


class ImageInput(PixelInput):
    """In training, by chance: flip: mirror half of the images, left to right. rotation: turn by so many degrees at
    most, to either side. shift: move up or down and sideways by this share of height and width at most."""

    flip: bool = False
    rotation: float = Field(default=0.0, ge=0.0, le=180.0)
    shift: float = Field(default=0.0, ge=0.0, lt=1.0)

    def prepared(self, image: "keras.KerasTensor", spec: ExampleSpec) -> "keras.KerasTensor":
        """What the network's first own layer reads of images [B, H, W, C]."""
        from pipeline.layers.augmentation import Augmentation

        if self.flip or self.rotation or self.shift:
            image = Augmentation(self.flip, self.rotation, self.shift)(image)
        return self.standardized(image, spec)
