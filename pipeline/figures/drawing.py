"""What every figure is drawn on and written with: without a display, and with the same bytes each time."""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from pipeline.dataset import Array
from pipeline.progress import say

RIGHT, WRONG, TRAIN, VALIDATION = "#1a7f37", "#cf222e", "#0969da", "#bc4c00"
DOTS_PER_INCH = 90
# matplotlib's own font comes first, so that a figure that needs no other is the same everywhere. Those of the others
# that are installed give the characters that it lacks: Chinese, Japanese and Korean ones.
OWN_FONT = "DejaVu Sans"
OTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Arial Unicode MS",
    "Microsoft YaHei",
)
INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
plt.rcParams.update(
    {
        "font.size": 9,
        "font.family": [OWN_FONT, *(font for font in OTHER_FONTS if font in INSTALLED)],
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
    """Write a PNG without the date and versions that would change its bytes.

    Says so where it holds characters that no font here has: they are drawn as boxes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)
    missing = [warning for warning in raised if str(warning.message).startswith("Glyph")]
    if missing:
        say(f"{path.name}: {len(missing)} characters are drawn as boxes, as no font here has them")
    for warning in raised:
        if warning not in missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
