"""What every figure is drawn on and written with: without a display, and with the same bytes each time."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array

RIGHT, WRONG, TRAIN, VALIDATION = "#1a7f37", "#cf222e", "#0969da", "#bc4c00"
DOTS_PER_INCH = 90
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)


def canvas(width: float, height: float, columns: int = 1) -> tuple[Figure, Array]:
    """An empty figure of so many inches, and its axes [columns]."""
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, axes[0]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without the date and versions that would change its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)
