"""The view of a window of some series, each in a unit of its own, by which a window tells how it goes on.

Prices of a decade ago and of today differ by orders of magnitude, and no scaling of a whole file brings them together;
what a network can learn of both is how a window goes on, compared with how it has moved so far.

Shape legend: N windows, T steps of a window, S steps after it, F features, K series that are foretold.
"""

from dataclasses import replace

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.errors import UserError
from pipeline.views.sequences import Sequences, scaled
from pipeline.views.view import ExampleSpec

SPREADS = 2.5  # standard deviations of a window that are 1 to the network: most steps lie between -1 and 1
SMALLEST = 1e-6  # of the mean: a window that moves by less does not move, as float32 has it


class Windows(Sequences):
    """Stored steps [N, T, F]; the series that are foretold count from the mean of their window, in 2.5 of its standard
    deviations, and so do the answers [N, S, K]. All other features are scaled as the card says.

    A window that does not move at all keeps the unit of the data.
    """

    def __init__(self) -> None:
        super().__init__("a value at each step")

    def spec(self, description: Description, stored_shape: tuple[int, ...]) -> ExampleSpec:
        others = sorted(set(description.outputs or []) - set(description.features or []))
        if description.padded or description.output_steps is None or others:
            why = f"{others[0]!r} is answered and no feature" if others else "it does not ask for steps after a window"
            raise UserError(
                f"view 'window_to_values': the dataset holds no forecasts: {why}; allowed: windows of equal length,"
                " each with a number of steps that follow, of series that are among its features"
            )
        spec = super().spec(description, stored_shape)
        return replace(spec, continues=tuple(places(description)))

    def inputs(self, arrays: Arrays, description: Description) -> Array:
        steps = scaled(arrays["x"], description)
        series = places(description)
        centre, unit = own_units(arrays["x"], description)
        steps[..., series] = (arrays["x"][..., series].astype(np.float64) - centre) / unit
        return steps

    def targets(self, arrays: Arrays, description: Description) -> Array:
        """float32 values [N, S, K] in the units of their windows."""
        centre, unit = own_units(arrays["x"], description)
        return ((arrays["y"].astype(np.float64) - centre) / unit).astype(np.float32)

    def in_units(self, values: Array, x: Array, description: Description) -> Array:
        """Values [N, S, K] in float64, in the units that the windows x [N, T, F] or [T, F] are in."""
        centre, unit = own_units(x.reshape(-1, *x.shape[-2:]), description)
        exact: Array = values.astype(np.float64) * unit + centre
        return exact


def places(description: Description) -> list[int]:
    """Where among the features the series stand that are foretold [K]."""
    features = description.features or []
    return [features.index(name) for name in description.outputs or []]


def own_units(x: Array, description: Description) -> tuple[Array, Array]:
    """What counts as 0 and as 1 in each window [N, T, F], for each series that is foretold: twice [N, 1, K]."""
    series = x[..., places(description)].astype(np.float64)
    centre = series.mean(axis=1, keepdims=True)
    unit = SPREADS * series.std(axis=1, keepdims=True)
    return centre, np.where(unit > SMALLEST * np.abs(centre), unit, 1.0)
