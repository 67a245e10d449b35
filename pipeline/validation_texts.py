"""What a network that learns to write texts would answer after each round of its training, and how good that is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.bleu import bleu_counts, bleu_of
from pipeline.dataset import Dataset
from pipeline.decoding.hypotheses import as_rows
from pipeline.decoding.translator import Translator
from pipeline.views import View

if TYPE_CHECKING:
    import keras

EXAMPLES = 200
BLEU = "val_bleu"


@dataclass(frozen=True)
class ValidationTexts:
    """The first validation examples of one training. graphs: make the encoder and decoder of the network as it is."""

    graphs: "Callable[[], Mapping[str, keras.Model]]"
    dataset: Dataset
    view: View

    def scores(self) -> dict[str, float]:
        """BLEU of the answers that are likeliest token by token, as `val_bleu`."""
        from pipeline.layers.decoding import decoder_of

        card, stored = self.dataset.card, self.dataset.split("validation")
        arrays = {name: values[:EXAMPLES] for name, values in stored.items()}
        translator = Translator(decoder_of(self.graphs()), card.splits["train"]["y"].shape[1])
        found = translator.greedy(self.view.inputs(self.view.trimmed(arrays), card))
        texts = self.view.in_units(as_rows([answer.tokens for answer in found]), arrays["x"], card)
        counts = bleu_counts(texts, self.view.references(arrays, card))
        return {BLEU: float(bleu_of(counts.sum(axis=0)))}
