"""What can be set about a network that reads something and writes a text; importing this file imports no Keras."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Score = Literal["none", "dot", "general", "scaled", "bahdanau"]


class DecoderParameters(BaseModel):
    """cell, units: of each recurrent layer that writes, and of each that reads, where steps are read. embedding: width
    of a token's vector.

    dropout: share of the numbers dropped in training, of vectors of tokens, of what a layer gives to the next one, and
    of what the answer is made from. attention: how what was read is scored (`pipeline.layers.attention`); `none`: the
    decoder knows its last states alone. input_feeding: each step is also given the attention vector of the one before,
    which makes training a loop of single steps. tied: the vectors of tokens are also the weights of the answer; the
    attention vector is then as wide as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru"] = "lstm"
    units: list[PositiveInt] = Field(min_length=1)
    embedding: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    attention: Score = "none"
    input_feeding: bool = False
    tied: bool = False

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.input_feeding and self.attention == "none":
            raise ValueError("input_feeding is true, but attention is 'none'; allowed: with attention")
        if self.tied and self.attention == "none" and self.embedding != self.units[-1]:
            raise ValueError(
                f"tied is true, and the last layer has {self.units[-1]} units; allowed without attention: an embedding "
                f"of {self.units[-1]}"
            )
        return self

    @property
    def vector_width(self) -> int:
        """How many numbers a token's answer is made from."""
        return self.embedding if self.tied else self.units[-1]

    def small(self) -> Self:
        return self.model_copy(update={"units": [min(units, 8) for units in self.units], "embedding": 8})
