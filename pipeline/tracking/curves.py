"""The points of a run's metrics: which it has, and those of a training's history that it lacks."""

import time

from pipeline.tracking.store import connect

CURVE_COLUMNS_LEFT_OUT = ("epoch", "step")


def known_points(run_id: str) -> set[tuple[str, int]]:
    """Name and update of every point of a run's curves."""
    client, _ = connect()
    names = [name for name in client.get_run(run_id).data.metrics if not name.startswith("system/")]
    return {(name, point.step) for name in names for point in client.get_metric_history(run_id, name)}


def log_curves(run_id: str, history: list[dict[str, float]], known: set[tuple[str, int]]) -> None:
    """The rows of the history, at the update they belong to, without the points that the run has."""
    from mlflow.entities import Metric

    client, _ = connect()
    now = int(time.time() * 1000)
    metrics = [
        Metric(name, float(value), now, int(row["step"]))
        for row in history
        for name, value in row.items()
        if name not in CURVE_COLUMNS_LEFT_OUT and (name, int(row["step"])) not in known
    ]
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
