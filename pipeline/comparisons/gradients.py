"""How large the gradient is that reaches each step, for several variants that recorded it."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Blocks, Compared
from pipeline.errors import UserError
from pipeline.places import FIGURES_FOLDER, GRADIENTS_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check(blocks: list[Blocks], parameters: Parameters) -> None:
    """Raise `ValueError` for a variant that does not record what is to be drawn."""
    for one in blocks:
        if not one.variant["training"].get("record_gradients"):
            raise ValueError(f"variants: {one.name} has no training.record_gradients; allowed: those with true there")


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One line a variant, dashed as clipping leaves it."""
    import pandas as pd

    from pipeline import figures

    tables = {}
    for one in compared:
        path = one.folder / FIGURES_FOLDER / GRADIENTS_FILE
        if not path.is_file():
            raise UserError(
                f"params.yaml: variants.{one.name}.training.record_gradients: needed by a comparison of gradients; "
                "allowed there: true"
            )
        tables[one.name] = pd.read_csv(path)
    return figures.gradients(tables)
