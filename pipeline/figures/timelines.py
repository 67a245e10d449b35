"""What happens when: stretches of time, one line what is true and one what was found."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

HEIGHT = 0.36
ROWS = ("actual", "found")
Stretches = Sequence[tuple[int, int, int]]


def timelines(videos: Sequence[Sequence[Stretches]], names: Sequence[str], num_frames: int) -> Figure:
    """One panel a video, in it a line each for `ROWS`; a stretch is the index of its name, its start and its end."""
    figure, axes = plt.subplots(len(videos), 1, figsize=(8, 0.7 + 0.62 * len(videos)), sharex=True, squeeze=False)
    colours = plt.get_cmap("tab20")
    used: set[int] = set()
    for number, (axis, lines) in enumerate(zip(axes[:, 0], videos, strict=True)):
        for row, stretches in enumerate(lines):
            for name, start, end in stretches:
                axis.barh(row, end - start, left=start, height=2 * HEIGHT, color=colours(name % 20))
                used.add(name)
        axis.set(yticks=range(len(ROWS)), xlim=(0, num_frames), ylim=(len(ROWS) - 0.5, -0.5))
        axis.set_yticklabels([f"{number}: {ROWS[0]}", *ROWS[1:]], fontsize=7)
        axis.grid(visible=False, axis="y")
    axes[-1, 0].set_xlabel("frame")
    patches = [Patch(color=colours(name % 20), label=names[name]) for name in sorted(used)]
    figure.legend(handles=patches, loc="outside right upper", fontsize=7)
    return figure
