"""What an exported variant answers to each example, in place of the example: what an ensemble is made from.

`start` is the export of a variant that answers values for the examples of `dataset`.
"""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import SPLITS, Arrays, Dataset, Description
from pipeline.errors import UserError
from pipeline.runtime import Export


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def derive(dataset: Dataset, start: Path, parameters: Parameters) -> tuple[dict[str, Arrays], Description]:
    """`x` [N, 1, K] float32, the answers in the units of the data as sequences of one step; `y` [N, K] as it is."""
    export, card = Export(start), dataset.card
    if export.view.asks != "one value":
        raise UserError(f"{start}: answers {export.view.asks}; allowed: a variant that answers one value")
    splits: dict[str, Arrays] = {}
    for split in SPLITS:
        arrays = dataset.split(split)

        def inputs(rows: slice, arrays: Arrays = arrays) -> np.ndarray:
            return export.view.inputs({name: values[rows] for name, values in arrays.items()}, card)

        outputs = export.run_batches(card.num_examples(split), inputs, lambda done: None)
        answers = export.view.in_units(outputs, arrays["x"], card)
        splits[split] = {"x": answers[:, None].astype(np.float32), "y": arrays["y"]}
    text = f"what {export.manifest.variant} answers to {card.name}: {card.text}"
    update = {"text": text, "features": card.outputs, "padded": False, "scaling": None}
    return splits, card.as_description().model_copy(update=update)
