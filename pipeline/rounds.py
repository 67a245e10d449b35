"""What happens after each round of a training: validate, record, keep the best weights, leave a checkpoint, or stop."""

import math
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from pipeline.batches import Batches, ahead
from pipeline.checkpoint import Checkpoint, Fitted
from pipeline.dataset import Array
from pipeline.errors import StageFailure
from pipeline.network import carried_state
from pipeline.samples import Samples
from pipeline.validation_texts import ValidationTexts

if TYPE_CHECKING:
    from pipeline.training import Listener, Training


class Rounds(keras.callbacks.Callback):
    """Follows `fit`; what it has found so far is in `fitted`, to which it adds, and in `best_weights`."""

    def __init__(
        self,
        training: "Training",
        validation: Batches,
        listeners: "list[Listener]",
        num_rounds: int,
        updates_per_round: int,
        checkpoint: Checkpoint | None,
        fitted: Fitted,
        best_weights: list[Array] | None,
        samples: Samples | None,
        texts: ValidationTexts | None,
    ) -> None:
        super().__init__()
        self.training, self.validation, self.listeners = training, validation, listeners
        self.num_rounds, self.updates_per_round = num_rounds, updates_per_round
        self.checkpoint = checkpoint
        self.fitted, self.best_weights = fitted, best_weights
        self.samples, self.texts = samples, texts
        self.step = fitted.num_updates
        self.started = time.perf_counter() - fitted.seconds

    @property
    def over(self) -> bool:
        """Whether there is nothing left to fit: all rounds are made, or none was better for too long."""
        made, patience = len(self.fitted.history), self.training.early_stopping
        return made >= self.num_rounds or bool(patience and made and made - self.fitted.best_round >= patience)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """After each compiled call: is the loss still a number?"""
        before, self.step = self.step, len(self.fitted.history) * self.updates_per_round + batch + 1
        loss, num_updates = float((logs or {})["loss"]), self.num_rounds * self.updates_per_round
        if not math.isfinite(loss):
            when = f"update {self.step}" if self.step == before + 1 else f"an update in {before + 1}-{self.step}"
            raise StageFailure(
                f"the loss became {loss} at {when} of {num_updates}; try a lower learning_rate "
                f"(now {self.training.learning_rate}) or clip_norm (now {self.training.clip_norm})"
            )
        for listener in self.listeners:
            listener.on_step(self.step, num_updates, loss)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """After each round."""
        values = {name: float(value) for name, value in (logs or {}).items()} | self._validate()
        rate = float(np.asarray(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        row = {"epoch": epoch + 1, "step": self.step, **values, "learning_rate": rate}
        if not math.isfinite(values["val_loss"]):
            raise StageFailure(f"the validation loss became {values['val_loss']} after update {self.step}")
        self.fitted.history.append(row)
        if values["val_loss"] < self.fitted.best_loss:
            self.fitted.best_round = epoch + 1
            if self.training.keep == "best":
                self.best_weights = self.model.get_weights()
        written = self.samples.after(epoch + 1, self.num_rounds) if self.samples else []
        self.fitted.samples += written
        self.fitted.seconds = time.perf_counter() - self.started
        if self.checkpoint:
            self.checkpoint.save(self.model, self.fitted, self.best_weights)
        for listener in self.listeners:
            listener.on_round(row)
            if written:
                listener.on_samples(written)
        if self.over:
            self.model.stop_training = True

    def _validate(self) -> dict[str, float]:
        """Each metric over the validation split, the mean over what is asked for; the carried state is put back.

        Where the network writes texts, also how good some of them are.
        """
        sums: dict[str, float] = {}
        num_targets = 0
        carried = [(weight, weight.numpy()) for weight in carried_state(self.model)]
        with ahead(self.validation.epoch(0)) as batches:
            for inputs, targets in batches:
                answered: Any = self.model.test_on_batch(inputs, targets, return_dict=True)
                asked = int(np.count_nonzero(np.isfinite(targets) if targets.dtype.kind == "f" else targets >= 0))
                num_targets += asked
                for name, value in answered.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * asked
        for weight, value in carried:
            weight.assign(value)
        found = {f"val_{name}": value / num_targets for name, value in sums.items()}
        return found | (self.texts.scores() if self.texts else {})
