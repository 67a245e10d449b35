"""How a network is given its batches, update by update."""

from collections.abc import Callable
from typing import Any

import keras

from pipeline.batches import Batch, Batches, ahead
from pipeline.rounds import Rounds


def fit_rounds(model: "keras.Model", train: Batches, rounds: Rounds) -> None:
    """Make the rounds that are still to be made."""
    done, per_round = len(rounds.fitted.history), rounds.updates_per_round
    if whole := train.whole_round(per_round):
        given: dict[str, Any] = {"x": whole[0], "y": whole[1], "batch_size": train.batch_size, "shuffle": False}
        model.fit(**given, callbacks=[rounds], verbose=0, initial_epoch=done, epochs=rounds.num_rounds)
        return
    with ahead(train.endless(done * per_round)) as batches:
        if keras.backend.backend() == "tensorflow":
            update = _compiled_update(model, train)
            rounds.set_model(model)
            while not rounds.over:
                model.reset_metrics()
                for call in range(model.steps_per_execution - 1, per_round, model.steps_per_execution):
                    for _ in range(model.steps_per_execution):
                        metrics = update(next(batches))
                    rounds.on_train_batch_end(call, metrics)
                rounds.on_epoch_end(len(rounds.fitted.history), metrics)
        else:
            options: dict[str, Any] = {"steps_per_epoch": per_round, "callbacks": [rounds], "verbose": 0}
            model.fit(batches, initial_epoch=done, epochs=rounds.num_rounds, **options)


def _compiled_update(model: "keras.Model", train: Batches) -> Callable[[Batch], dict[str, Any]]:
    """One update on a batch of any size and width, and the metrics of the round so far.

    TensorFlow's own queue of batches, through which `fit` would go, takes two milliseconds for each of them.
    """
    import tensorflow as tf

    _, targets = next(train.epoch(0))
    specs = tuple(tf.TensorSpec(each.shape, each.dtype) for each in model.inputs)
    given = specs if len(specs) > 1 else specs[0]
    asked = tf.TensorSpec([None] * targets.ndim, targets.dtype)

    @tf.function(input_signature=[(given, asked)])
    def update(batch: Batch) -> dict[str, Any]:
        found: dict[str, Any] = model.train_step(batch)
        return found

    return update
