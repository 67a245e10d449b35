"""The one training loop: what can be set about it, and how a network is fitted.

Importing this file imports no Keras; fitting does.
"""

import math
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.batches import Batches
from pipeline.checkpoint import Checkpoint, Fitted
from pipeline.dataset import Dataset
from pipeline.errors import UserError
from pipeline.network import reset_carried_state
from pipeline.samples import Sample, Samples
from pipeline.validation_texts import ValidationTexts
from pipeline.views import View

if TYPE_CHECKING:
    import keras

Optimizer = Literal["adam", "adagrad", "adadelta", "adamax", "nadam", "rmsprop", "sgd"]
# What only some optimizers have: Keras' name for it, and which.
OPTIMIZER_SETTINGS = {"momentum": ("momentum", ("sgd", "rmsprop")), "decay": ("rho", ("rmsprop", "adadelta"))}


class Training(BaseModel):
    """How a variant is trained.

    momentum: of `sgd` and `rmsprop`. decay: of the running mean of squared gradients, of `rmsprop` and `adadelta`. None
    is what Keras takes.
    learning_rate with `schedule` `constant` or `cosine` (to zero at the last update), after `warmup_steps` updates of
    linear growth. clip_value, clip_norm: bounds of each gradient entry, of the global gradient norm.
    label_smoothing: the share of every target that is spread evenly over all classes. value_loss: mean squared error
    or mean absolute error, where values are answered; the former if none is given.
    Length: `epochs` (passes over the training split) or `steps` (updates; validated every `validate_every` of them).
    early_stopping: stop after so many validations without a better loss. keep: weights of the `best` validation loss or
    the `last`. bucket: where examples differ in length, similar ones come together in a batch; they are looked for in
    so many batches at a time, and the batches then come in an order by chance. truncate_steps: for stateful networks,
    how many time steps one update sees. steps_per_execution: updates from one report of progress to the next; where
    Keras itself makes them, one compiled call. num_threads: of the arithmetic; fixed, because the order of additions
    depends on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimizer: Optimizer = "adam"
    momentum: float | None = Field(default=None, ge=0, lt=1)
    decay: float | None = Field(default=None, gt=0, lt=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    clip_value: float | None = Field(default=None, gt=0)
    clip_norm: float | None = Field(default=None, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    value_loss: Literal["mse", "mae"] | None = None
    batch_size: int = Field(ge=1)
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    early_stopping: int | None = Field(default=None, ge=1)
    keep: Literal["best", "last"] = "best"
    shuffle: bool = True
    bucket: int | None = Field(default=None, ge=2)
    truncate_steps: int | None = Field(default=None, ge=1)
    steps_per_execution: int = Field(default=1, ge=1)
    mixed_precision: bool = False
    deterministic: bool = True
    record_gradients: bool = False
    num_threads: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _settings_of_the_optimizer(self) -> Self:
        for setting, (_, optimizers) in OPTIMIZER_SETTINGS.items():
            if getattr(self, setting) is not None and self.optimizer not in optimizers:
                raise ValueError(
                    f"{setting} is {getattr(self, setting)}, and {self.optimizer} has none; allowed with:"
                    f" {', '.join(optimizers)}"
                )
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps, not both and not none")
        if (self.steps is None) != (self.validate_every is None):
            raise ValueError("validate_every belongs to steps: give both or none")
        if self.steps and self.validate_every and self.steps % self.validate_every:
            raise ValueError(f"steps is {self.steps}; allowed: a multiple of validate_every ({self.validate_every})")
        return self

    @model_validator(mode="after")
    def _buckets_of_what_is_shuffled(self) -> Self:
        if self.bucket is not None and not self.shuffle:
            raise ValueError(f"bucket is {self.bucket} and shuffle is false; allowed: a bucket where shuffle is true")
        return self

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.clip_value is not None and self.clip_norm is not None:
            raise ValueError(
                f"clip_value is {self.clip_value} and clip_norm is {self.clip_norm}; allowed: one of the two"
            )
        return self

    def small(self) -> "Training":
        """Two short rounds, for tests and smoke runs."""
        length = {"epochs": 2} if self.steps is None else {"steps": 4, "validate_every": 2}
        brief = {"steps_per_execution": 1, "warmup_steps": min(self.warmup_steps, 1)}
        return self.model_copy(update=length | brief)


class Listener(Protocol):
    """Who wants to know how the training goes."""

    def on_resume(self, history: list[dict[str, float]]) -> None:
        """Before the first update of a training that goes on from a checkpoint: the rows of the rounds before."""

    def on_step(self, step: int, num_steps: int, loss: float) -> None:
        """After each `steps_per_execution` updates."""

    def on_round(self, row: dict[str, float]) -> None:
        """After each validation: `epoch`, `step`, `loss`, `val_loss`, metrics and `learning_rate`."""

    def on_samples(self, samples: list[Sample]) -> None:
        """After a validation at which the network wrote texts."""


def split_batches(dataset: Dataset, split: str, view: View, training: Training, seed: int) -> Batches:
    """The batches of a split, shuffled only where it is trained on."""
    return Batches(
        arrays=dataset.split(split),
        view=view,
        description=dataset.card,
        batch_size=training.batch_size,
        seed=seed,
        shuffle=training.shuffle and split == "train",
        truncate_steps=training.truncate_steps,
        bucket=training.bucket,
    )


def fit(
    model: "keras.Model",
    loss: Any,
    training: Training,
    train: Batches,
    validation: Batches,
    listeners: list[Listener],
    checkpoint: Checkpoint | None = None,
    samples: Samples | None = None,
    texts: ValidationTexts | None = None,
) -> Fitted:
    """Train `model` in place, from its checkpoint on, and leave the weights that `training.keep` asks for in it.

    samples, texts: what it writes meanwhile, for networks that go on with texts, and that answer with texts.

    Raises `UserError` where the training is over before it is warm, `StageFailure` naming the update at which the loss
    stopped being a number.
    """
    import keras

    from pipeline.rounds import Rounds
    from pipeline.updates import fit_rounds

    per_round = training.validate_every or train.calls_per_epoch
    num_updates = training.steps or per_round * (training.epochs or 0)
    if training.warmup_steps >= num_updates:
        raise UserError(
            f"training.warmup_steps is {training.warmup_steps}, and there are {num_updates} updates in all; "
            "allowed: fewer than these"
        )
    model.compile(
        optimizer=_optimizer(training, num_updates),
        loss=loss,
        metrics=_metrics(train.view.asks, model),
        steps_per_execution=math.gcd(training.steps_per_execution, per_round),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    model.optimizer.build(model.trainable_variables)  # else the first step makes them, and is traced twice for it
    fitted, best_weights = checkpoint.restore(model) if checkpoint else (Fitted(), None)
    num_rounds = num_updates // per_round
    writing = (samples, texts)
    rounds = Rounds(training, validation, listeners, num_rounds, per_round, checkpoint, fitted, best_weights, *writing)
    if fitted.history:
        for listener in listeners:
            listener.on_resume(fitted.history)
    if not rounds.over:  # one that was killed after its last round is
        fit_rounds(model, train, rounds)
    if training.keep == "best" and rounds.best_weights is not None:
        model.set_weights(rounds.best_weights)
    reset_carried_state(model)
    return fitted


def _metrics(asks: str, model: "keras.Model") -> list[Any]:
    """What is followed beside the loss: the accuracy of labels and of the tokens of a text; values, and scores of pairs
    of labels, have theirs."""
    import keras
    from keras import ops

    class Accuracy(keras.metrics.Mean):
        """The share of right labels or tokens among those that are asked for (not -1), of however many batches."""

        def update_state(self, targets: Any, probabilities: Any, sample_weight: Any = None) -> None:
            """Count the labels of a batch, each as much as any other."""
            labels = ops.cast(ops.reshape(targets, ops.shape(probabilities)[:-1]), "int32")
            two = probabilities.shape[-1] == 1
            answers = ops.cast(probabilities[..., 0] > 0.5, "int32") if two else ops.argmax(probabilities, axis=-1)
            right = ops.cast(ops.equal(labels, ops.cast(answers, "int32")), "float32")
            asked = ops.cast(labels >= 0, "float32")
            # Flat: of several axes Keras would count each example as one, however many steps it has.
            super().update_state(ops.reshape(right, (-1,)), sample_weight=ops.reshape(asked, (-1,)))

    several = "each step" in asks or asks == "a text"
    each_place = "value" not in asks and len(model.output.shape) == (3 if several else 2)
    return [Accuracy(name="accuracy")] if each_place else []


def _optimizer(training: Training, num_updates: int) -> "keras.optimizers.Optimizer":
    import keras

    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        warmup = training.warmup_steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate, num_updates - warmup, warmup_target=rate if warmup else None, warmup_steps=warmup
        )
    elif training.warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, num_updates, alpha=1.0, warmup_target=rate, warmup_steps=training.warmup_steps
        )
    config = {"learning_rate": rate, "clipvalue": training.clip_value, "global_clipnorm": training.clip_norm}
    given = {keras_name: getattr(training, name) for name, (keras_name, _) in OPTIMIZER_SETTINGS.items()}
    config |= {name: value for name, value in given.items() if value is not None}
    if training.optimizer == "adam" and keras.backend.backend() == "tensorflow":
        from pipeline.fused_adam import FusedAdam

        return FusedAdam(**config)
    return keras.optimizers.get({"class_name": training.optimizer, "config": config})
