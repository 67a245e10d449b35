"""The order of the examples, sequences cut into calls, and the thread that works ahead."""

import threading
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

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
