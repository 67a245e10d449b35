"""The order in which a network sees the examples, and the batches themselves, made in a thread ahead of their use.

The order of round k is drawn from (seed, k) alone, so a training that goes on after an interruption sees what it would
have seen. Shape legend: N examples, B batch, T time steps.
"""

import itertools
import math
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from pipeline.dataset import Array, Arrays, Description
from pipeline.views import View

BATCHES_AHEAD = 3
MOST_BYTES_AT_ONCE = 1 << 26
SECONDS_BETWEEN_LOOKS = 0.1
BATCHES_MEASURED = 200
Inputs = Array | tuple[Array, ...]
Batch = tuple[Inputs, Array]


@dataclass(frozen=True)
class Batches:
    """The batches of one split.

    truncate_steps: cut sequences into calls of so many steps (inputs become (steps, first), `first` [B, 1] being 1
        where a sequence begins); None leaves them whole, and without the padding that no example of a batch needs.
    bucket: put examples of similar length together, looking for them in so many batches at a time; None does not.
    """

    arrays: Arrays
    view: View
    description: Description
    batch_size: int
    seed: int
    shuffle: bool
    truncate_steps: int | None = None
    bucket: int | None = None

    @property
    def num_examples(self) -> int:
        """How many examples the split holds."""
        return len(next(iter(self.arrays.values())))

    @property
    def calls_per_batch(self) -> int:
        """Into how many calls the steps of a sequence are cut."""
        if self.truncate_steps is None:
            return 1
        steps = self.view.targets({name: values[:1] for name, values in self.arrays.items()}, self.description).shape[1]
        return math.ceil(steps / self.truncate_steps)

    @property
    def calls_per_epoch(self) -> int:
        """How many updates one pass over the split makes."""
        return math.ceil(self.num_examples / self.batch_size) * self.calls_per_batch

    def epoch(self, number: int, first_call: int = 0) -> Iterator[Batch]:
        """One pass over the split, from one of its calls on."""
        first_batch, calls_left_out = divmod(first_call, self.calls_per_batch)
        for rows in self._rows(number)[first_batch:]:
            chosen: Arrays = {name: values[rows] for name, values in self.arrays.items()}
            if self.truncate_steps is None:
                chosen = self.view.trimmed(chosen)
            inputs = self.view.training_inputs(chosen, self.description)
            calls = self._calls(inputs, self.view.targets(chosen, self.description))
            yield from itertools.islice(calls, calls_left_out, None)
            calls_left_out = 0

    def endless(self, first_call: int = 0) -> Iterator[Batch]:
        """Pass after pass, from one of the calls on."""
        first_epoch, calls_left_out = divmod(first_call, self.calls_per_epoch)
        yield from self.epoch(first_epoch, calls_left_out)
        for number in itertools.count(first_epoch + 1):
            yield from self.epoch(number)

    def whole_round(self, num_calls: int) -> Batch | None:
        """`num_calls` batches in one piece: from arrays Keras takes small ones three times faster than from a thread.

        None unless each pass is in the same order, a round is whole passes of full batches, and all of it is small.
        """
        if self.shuffle or num_calls % self.calls_per_epoch:
            return None
        first = next(self.epoch(0))
        if num_calls * sum(part.nbytes for part in _parts(first)) > MOST_BYTES_AT_ONCE:
            return None
        calls = [_parts(call) for call in self.epoch(0)]
        if any(part.shape != like.shape for call in calls for part, like in zip(call, calls[0], strict=True)):
            return None
        passes = num_calls // len(calls)
        *inputs, targets = (np.concatenate(parts * passes) for parts in zip(*calls, strict=True))
        return (inputs[0] if len(inputs) == 1 else tuple(inputs)), targets

    def padding_share(self) -> float | None:
        """The share of the tokens in the first batches that are padding; None where examples are equally long."""
        if self.view.lengths(self.arrays) is None:
            return None
        real = places = 0
        for inputs, _ in itertools.islice(self.epoch(0), BATCHES_MEASURED):
            for tokens in inputs if isinstance(inputs, tuple) else (inputs,):
                if tokens.dtype.kind == "i":
                    real, places = real + int(np.count_nonzero(tokens)), places + tokens.size
        return 1 - real / places

    def _rows(self, number: int) -> list[Array]:
        """The examples of each batch of a pass, in a batch by their place in the file."""
        order = np.arange(self.num_examples)
        if not self.shuffle:
            return self._cut(order)
        rng = np.random.default_rng((self.seed, number))
        order = rng.permutation(self.num_examples)
        lengths = self.view.lengths(self.arrays) if self.bucket else None
        if self.bucket is None or lengths is None:
            return [np.sort(rows) for rows in self._cut(order)]
        size = self.bucket * self.batch_size
        pools = [order[start : start + size] for start in range(0, len(order), size)]
        alike = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        batches = self._cut(alike)
        return [np.sort(batches[place]) for place in rng.permutation(len(batches))]

    def _cut(self, order: Array) -> list[Array]:
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def _calls(self, inputs: Inputs, targets: Array) -> Iterator[Batch]:
        if self.truncate_steps is None:
            yield inputs, targets
            return
        assert not isinstance(inputs, tuple), "no network that carries its state reads answers"
        for start in range(0, inputs.shape[1], self.truncate_steps):
            steps = slice(start, start + self.truncate_steps)
            first = np.full((len(inputs), 1), float(start == 0), dtype=np.float32)
            yield (inputs[:, steps], first), targets[:, steps]


def _parts(batch: Batch) -> tuple[Array, ...]:
    """The arrays of a batch, targets last."""
    inputs, targets = batch
    return (*inputs, targets) if isinstance(inputs, tuple) else (inputs, targets)


@contextmanager
def ahead(batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    """The same batches, made in a thread while the network works on the ones before; the thread ends with the block."""
    made: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=BATCHES_AHEAD)
    stopped = threading.Event()

    def hand_over(item: Batch | BaseException) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                return made.put(item, timeout=SECONDS_BETWEEN_LOOKS)

    def make() -> None:
        try:
            for batch in batches:
                hand_over(batch)
                if stopped.is_set():
                    return
            hand_over(StopIteration())
        except Exception as error:  # raised again where the batches are used
            hand_over(error)

    def taken() -> Iterator[Batch]:
        while not isinstance(item := made.get(), BaseException):
            yield item
        if not isinstance(item, StopIteration):
            raise item

    thread = threading.Thread(target=make, daemon=True, name="batches")
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()
        with suppress(queue.Empty):  # who still waits for a batch hears that there are no more
            while True:
                made.get_nowait()
        made.put(StopIteration())
