"""The order of the examples, sequences cut into calls, and the thread that works ahead."""

import threading
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches import BATCHES_AHEAD, Batch, Batches, ahead
from pipeline.dataset import Array, Description
from pipeline.views import VIEWS

IMAGES = Description(text="numbered images", layout="images", classes=[str(n) for n in range(10)])
SYMBOLS = Description(text="sequences", layout="symbols", vocabulary=["p", "q", "r"])
SEQUENCES = np.array([[0, 1, 2, 0, 1, 2], [2, 1, 0, 2, 1, 0], [1, 1, 1, 0, 0, 0]], dtype=np.uint8)


def numbered(seed: int = 1, shuffle: bool = True, batch_size: int = 4) -> Batches:
    arrays = {"x": np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8), "y": np.arange(10)}
    return Batches(arrays, VIEWS["images"], IMAGES, batch_size, seed, shuffle)


def order(batches: Batches, epoch: int) -> list[list[int]]:
    return [targets.tolist() for _, targets in batches.epoch(epoch)]


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone() -> None:
    batches = numbered()
    list(batches.epoch(0))
    assert order(batches, 3) == order(numbered(), 3)
    assert order(batches, 3) != order(batches, 4)
    assert order(batches, 3) != order(numbered(seed=2), 3)
    assert sorted(row for batch in order(batches, 3) for row in batch) == list(range(10))
    assert [len(batch) for batch in order(batches, 3)] == [4, 4, 2]
    assert batches.calls_per_epoch == 3


def test_without_shuffling_the_order_is_that_of_the_files() -> None:
    assert order(numbered(shuffle=False), 5) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_inputs_and_targets_belong_together() -> None:
    for inputs, targets in numbered().epoch(0):
        np.testing.assert_array_equal(np.rint(inputs[:, 0, 0, 0] * 255), targets)


def test_endless_is_epoch_after_epoch() -> None:
    batches = numbered()
    found = [targets.tolist() for _, targets in islice(batches.endless(), 6)]
    assert found == order(batches, 0) + order(batches, 1)


@pytest.mark.parametrize(("steps", "lengths"), [(2, [2, 2, 1]), (1, [1] * 5), (5, [5]), (9, [5])])
def test_truncated_calls_say_where_a_sequence_begins(steps: int, lengths: list[int]) -> None:
    arrays = {"x": SEQUENCES}
    batches = Batches(arrays, VIEWS["one_hot"], SYMBOLS, 3, 0, False, truncate_steps=steps)
    calls = list(batches.epoch(0))
    assert batches.calls_per_epoch == batches.calls_per_batch == len(calls) == len(lengths)
    assert [targets.shape[1] for _, targets in calls] == lengths
    assert [first.ravel().tolist() for (_, first), _ in calls] == [[1.0] * 3] + [[0.0] * 3] * (len(calls) - 1)
    together = np.concatenate([symbols for (symbols, _), _ in calls], axis=1)
    np.testing.assert_array_equal(together, VIEWS["one_hot"].inputs(arrays, SYMBOLS))
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in calls], axis=1), SEQUENCES[:, 1:])


TEXTS = Description(
    text="texts", layout="texts", classes=["a", "b"], vocabulary=[str(n) for n in range(100)], tokenizer="spaces"
)


def of_lengths(lengths: list[int], bucket: int | None, batch_size: int = 4, shuffle: bool = True) -> Batches:
    """Texts of these lengths, each token of a text being its number, from 1 on."""
    length = np.array(lengths, np.int32)
    x = (np.arange(1, len(length) + 1)[:, None] * (np.arange(max(lengths)) < length[:, None])).astype(np.uint16)
    arrays = {"x": x, "length": length, "y": np.zeros(len(length), np.uint8)}
    return Batches(arrays, VIEWS["tokens_to_label"], TEXTS, batch_size, 1, shuffle, bucket=bucket)


def texts_of(batches: Batches, epoch: int, first_call: int = 0) -> list[list[int]]:
    return [inputs[:, 0].tolist() for inputs, _ in batches.epoch(epoch, first_call)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(2, 5), st.integers(1, 7), st.integers(0, 3))
def test_buckets_hold_each_example_once_in_batches_of_the_same_number(
    lengths: list[int], bucket: int, batch_size: int, epoch: int
) -> None:
    batches = of_lengths(lengths, bucket, batch_size)
    found = texts_of(batches, epoch)
    assert sorted(row for batch in found for row in batch) == list(range(1, len(lengths) + 1))
    assert len(found) == batches.calls_per_epoch
    assert sorted(map(len, found), reverse=True)[: len(found) - 1] == [batch_size] * (len(found) - 1)
    for first in range(len(found)):  # a training that goes on sees what it would have seen
        assert texts_of(batches, epoch, first) == found[first:]


def test_buckets_are_of_the_pools_that_chance_makes() -> None:
    """All examples in one pool: the batches are those of the sorted lengths, in another order each epoch."""
    lengths = [int(length) for length in np.random.default_rng(0).permutation(40) + 1]
    batches = of_lengths(lengths, bucket=10)
    by_length = np.argsort(lengths) + 1
    expected = sorted(sorted(by_length[start : start + 4].tolist()) for start in range(0, 40, 4))
    found = texts_of(batches, 0)
    assert sorted(found) == expected and found != expected
    assert texts_of(batches, 1) != found == texts_of(of_lengths(lengths, bucket=10), 0)
    two_pools = texts_of(of_lengths(lengths, bucket=5), 0)
    drawn = np.random.default_rng((1, 0)).permutation(40)
    pools = [sorted(drawn[:20], key=lambda row: lengths[row]), sorted(drawn[20:], key=lambda row: lengths[row])]
    cut = [sorted(int(row) + 1 for row in pool[start : start + 4]) for pool in pools for start in range(0, 20, 4)]
    assert sorted(two_pools) == sorted(cut)


def test_buckets_change_neither_the_order_of_evaluation_nor_that_of_equal_lengths_alone() -> None:
    assert texts_of(of_lengths([3, 1, 2, 1, 5], 4, 2, shuffle=False), 0) == [[1, 2], [3, 4], [5]]
    pictures = numbered()
    with_bucket = Batches(pictures.arrays, pictures.view, IMAGES, 4, 1, True, bucket=2)
    assert order(with_bucket, 3) == order(pictures, 3)  # which have no length


def test_each_batch_is_as_wide_as_its_longest_text_needs() -> None:
    batches = of_lengths([3, 20, 9, 4, 7, 30], None, batch_size=2, shuffle=False)
    assert [inputs.shape for inputs, _ in batches.epoch(0)] == [(2, 24), (2, 16), (2, 30)]


def test_the_share_of_padding_is_that_of_what_the_network_reads() -> None:
    lengths = [8, 24] * 6
    without, with_buckets = of_lengths(lengths, None, 2), of_lengths(lengths, 6, 2)
    read = [inputs for inputs, _ in without.epoch(0)]
    expected = 1 - sum(map(np.count_nonzero, read)) / sum(inputs.size for inputs in read)
    assert without.padding_share() == pytest.approx(expected) and expected > 0.1
    assert with_buckets.padding_share() == 0
    assert numbered().padding_share() is None


def some(number: int, made: list[int] | None = None, error: Exception | None = None) -> Iterator[Batch]:
    for n in range(number):
        if made is not None:
            made.append(n)
        yield np.array([n]), np.array([n])
    if error:
        raise error


def values(batches: Iterator[Batch]) -> list[int]:
    found: list[Array] = [targets for _, targets in batches]
    return [int(targets[0]) for targets in found]


def producers() -> int:
    return sum(thread.name == "batches" and thread.is_alive() for thread in threading.enumerate())


@pytest.mark.parametrize("number", [0, 1, BATCHES_AHEAD, 50])
def test_ahead_yields_everything_in_order(number: int) -> None:
    with ahead(some(number)) as batches:
        assert values(batches) == list(range(number))
    assert producers() == 0


def test_ahead_raises_the_error_where_the_batches_are_used_after_those_before_it() -> None:
    found = []
    with (
        pytest.raises(ZeroDivisionError, match="in the thread"),
        ahead(some(5, error=ZeroDivisionError("in the thread"))) as batches,
    ):
        for _, targets in batches:
            found.append(int(targets[0]))
    assert found == [0, 1, 2, 3, 4]
    assert producers() == 0


def test_ahead_works_ahead_but_not_far() -> None:
    made: list[int] = []
    with ahead(some(100, made)) as batches:
        next(batches)
        deadline = time.monotonic() + 10
        while len(made) < 1 + BATCHES_AHEAD and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.05)
        assert len(made) in (1 + BATCHES_AHEAD, 2 + BATCHES_AHEAD)  # one waits in the thread's hand


@pytest.mark.parametrize("error", [None, KeyError])
def test_leaving_early_ends_the_thread_and_whoever_still_waits(error: type[Exception] | None) -> None:
    try:
        with ahead(numbered().endless()) as batches:
            next(batches)
            assert producers() == 1
            if error:
                raise error
    except KeyError:
        pass
    assert producers() == 0
    assert len(list(batches)) == 0
