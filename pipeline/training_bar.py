"""What a person sees of a training: a bar with time left, and a line after each validation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.progress import Bar, progress_bar, say
from pipeline.samples import Sample
from pipeline.validation_texts import BLEU

CHARACTERS_SHOWN = 80


class TrainingBar:
    """Listens to a training."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: Bar | None = None
        self.done = 0
        self.opened = ExitStack()

    def on_resume(self, history: list[dict[str, float]]) -> None:
        """Say from where it goes on."""
        self.done = int(history[-1]["step"])
        say(f"  going on after update {self.done}, where an earlier training of the same was interrupted")

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """Move the bar."""
        if self.bar is None:
            self.bar = self.opened.enter_context(progress_bar(f"train@{self.name}", num_steps, self.done))
        self.bar.advance(step - self.done, f"loss {loss:.4f}")
        self.done = step

    def on_round(self, row: dict[str, float]) -> None:
        """Say how the validation went."""
        say(
            f"  update {int(row['step'])}: loss {row['loss']:.4f}{accuracy_of(row)}; "
            f"validation {row['val_loss']:.4f}{accuracy_of(row, 'val_')}"
            + (f", BLEU {row[BLEU]:.2f}" if BLEU in row else "")
        )

    def on_samples(self, samples: list[Sample]) -> None:
        """Show the beginning of the soberest text."""
        soberest = min(samples, key=lambda sample: sample["temperature"])
        say(f"  writes: {' '.join(soberest['text'].split())[:CHARACTERS_SHOWN]}")


def accuracy_of(row: dict[str, float], split: str = "") -> str:
    """`, accuracy 0.9870` of a round; nothing where values are answered."""
    name = f"{split}accuracy"
    return f", accuracy {row[name]:.4f}" if name in row else ""


@contextmanager
def training_bar(name: str) -> Iterator[TrainingBar]:
    """A bar for one training; taken away however it ends."""
    bar = TrainingBar(name)
    with bar.opened:
        yield bar


class Silent:
    """Listens to a training or stands in for a bar, and shows nothing."""

    def on_resume(self, history: list[dict[str, float]]) -> None:
        """Nothing."""

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """Nothing."""

    def on_round(self, row: dict[str, float]) -> None:
        """Nothing."""

    def on_samples(self, samples: list[Sample]) -> None:
        """Nothing."""

    def advance(self, steps: int, note: str = "") -> None:
        """Nothing."""
