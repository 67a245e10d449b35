"""Examples that are stored twice: within the training split, and in a split that should not know them."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.dataset import SPLITS, Array, Arrays

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Overlap:
    """Examples of a split that occur in an earlier one too; rows: the first of them, and where it occurs there."""

    split: str
    earlier: str
    count: int
    rows: tuple[int, int] | None


@dataclass(frozen=True)
class Duplicates:
    """repeated: training examples that repeat one before them. contradicting: training examples whose input stands
    there with another label as well."""

    repeated: int
    contradicting: int
    overlaps: tuple[Overlap, ...]

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        between = {f"{overlap.split}_in_{overlap.earlier}": overlap.count for overlap in self.overlaps}
        return {"within_train": self.repeated, "contradicting_labels": self.contradicting, **between}


def find_duplicates(splits: Mapping[str, Arrays]) -> Duplicates:
    """Compare every `x` with every other one, byte for byte (by a hash of 128 bits), and its `length`."""
    digests = {split: row_digests(splits[split]["x"], splits[split].get("length")) for split in SPLITS}
    first_rows = {split: _first_rows(rows) for split, rows in digests.items()}
    return Duplicates(
        repeated=len(digests["train"]) - len(first_rows["train"]),
        contradicting=_contradicting(digests["train"], splits["train"].get("y")),
        overlaps=tuple(
            _overlap(split, digests[split], earlier, first_rows[earlier]) for earlier, split in combinations(SPLITS, 2)
        ),
    )


def row_digests(x: Array, length: Array | None = None) -> list[bytes]:
    """A hash of each example of `x` [N, ...], and of how long it is, where that differs."""
    plain = x.view(np.ndarray)  # whose rows cost a third of a memory map's
    ends = [b""] * len(plain) if length is None else [b"%d" % end for end in length]
    return [
        hashlib.blake2b(row.tobytes(), digest_size=DIGEST_BYTES, key=end).digest()
        for row, end in zip(plain, ends, strict=True)
    ]


def _first_rows(digests: list[bytes]) -> dict[bytes, int]:
    first: dict[bytes, int] = {}
    for row, digest in enumerate(digests):
        first.setdefault(digest, row)
    return first


def _overlap(split: str, digests: list[bytes], earlier: str, first_rows: dict[bytes, int]) -> Overlap:
    rows = [row for row, digest in enumerate(digests) if digest in first_rows]
    return Overlap(split, earlier, len(rows), (rows[0], first_rows[digests[rows[0]]]) if rows else None)


def _contradicting(digests: list[bytes], labels: Array | None) -> int:
    """Measured values are no labels: that they differ for one input is their noise."""
    if labels is None or labels.dtype.kind == "f":
        return 0
    pairs = set(zip(digests, (label.tobytes() for label in labels.view(np.ndarray)), strict=True))
    num_labels = Counter(digest for digest, _ in pairs)
    return sum(num_labels[digest] > 1 for digest in digests)
