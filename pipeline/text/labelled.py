"""Texts with one label each, as files hold them: from their words to the arrays of a dataset.

Shape legend: N texts, T tokens.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.dataset import Arrays, Description
from pipeline.errors import UserError
from pipeline.text.tokenizers import tokenize
from pipeline.text.vocabulary import TextParameters, Tokens, encode_splits

DIGEST_BYTES = 8


@dataclass(frozen=True)
class LabelledText:
    """One text, the index of its label, and where it stands: a file, or a file and line."""

    where: str
    text: str
    label: int


def labelled_dataset(
    splits: Mapping[str, Iterable[LabelledText]], classes: list[str], parameters: TextParameters, source: str
) -> tuple[dict[str, Arrays], Description]:
    """`x` [N, T] and `length` [N] of the texts, `y` [N] of their labels; each text is looked at once.

    source: where they come from, in words. Raises `UserError` for a text without a token.
    """
    labels: dict[str, list[int]] = {split: [] for split in splits}

    def tokens(split: str) -> Iterator[Tokens]:
        for example in splits[split]:
            found = tokenize(example.text, parameters.tokenizer)
            if not found:
                raise UserError(
                    f"{example.where}: the text is empty; allowed: at least one token ({parameters.tokenizer})"
                )
            labels[split].append(example.label)
            yield found

    encoded = encode_splits({split: tokens(split) for split in splits}, parameters)
    dtype = np.uint8 if len(classes) <= 1 << 8 else np.uint16
    steps = encoded.x["train"].shape[1]
    cut = sum(encoded.cut.values())
    description = Description(
        text=f"{source}; {len(encoded.vocabulary):,} tokens told apart"
        + (f"; {cut:,} texts cut to {steps:,} tokens" if cut else ""),
        layout="texts",
        classes=classes,
        vocabulary=encoded.vocabulary,
        tokenizer=parameters.tokenizer,
        cut=encoded.cut,
        padded=True,
        disjoint=False,  # collected texts may be there twice
    )
    return {
        split: {"x": encoded.x[split], "length": encoded.length[split], "y": np.array(labels[split], dtype)}
        for split in splits
    }, description


def chosen_share(key: str) -> float:
    """A number from 0 to 1 that belongs to a text: by it splits are dealt without a seed, and stay when others come."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
    return int.from_bytes(digest) / (1 << 8 * DIGEST_BYTES)
