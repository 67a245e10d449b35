"""How far two histograms are apart: the Population Stability Index, and how much of it chance alone explains.

Rule of thumb (Siddiqi, *Credit Risk Scorecards*, 2006): below 0.1 no change, above 0.25 a major one; 0.2 is on the
strict side. Between two samples of one distribution the index is about (1/n + 1/m) times a chi-square with one degree
of freedom less than there are bins (Yurdakul, *Statistical Properties of Population Stability Index*, 2018): a fixed
bound alone would alarm on every small sample.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PSI_LIMIT = 0.2
# Chance exceeds its bound once in 30,000 comparisons; an import of images has 57.
STANDARD_DEVIATIONS_OF_CHANCE = 4.0


def psi(expected: Sequence[int] | npt.NDArray, found: Sequence[int] | npt.NDArray) -> float:
    """The index of two histograms [K] over the same bins. Half a count is added to each bin: none is empty."""
    before, after = (np.asarray(counts, dtype=np.float64) + 0.5 for counts in (expected, found))
    before, after = before / before.sum(), after / after.sum()
    return float(((after - before) * np.log(after / before)).sum())


def allowed_psi(num_expected: int, num_found: int, num_bins: int, limit: float = PSI_LIMIT) -> float:
    """The largest index that is no drift: `limit`, or more where so few examples can differ that much by chance."""
    return max(limit, (1 / num_expected + 1 / num_found) * _chi_square_bound(num_bins - 1))


def _chi_square_bound(degrees: int) -> float:
    """The quantile of the chi-square distribution, after Wilson & Hilferty (1931)."""
    if degrees < 1:
        return 0.0
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + STANDARD_DEVIATIONS_OF_CHANCE * spread**0.5) ** 3)
