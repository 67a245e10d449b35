"""Log exactly what was scored as the run's model: graphs, card, task and the files that ran them."""

import logging
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.dataset import Dataset
from pipeline.runtime import Export
from pipeline.tracking.request import TEXT_COLUMN
from pipeline.tracking.store import connect, import_mlflow

PACKAGE = Path(__file__).parents[1]
# All tasks, though a model needs one: models that are loaded into the same process share the first one's package.
SERVING_CODE = (
    "__init__.py",
    "answered_texts.py",
    "bleu.py",
    "dataset.py",
    "decoding",
    "errors.py",
    "files.py",
    "forecasts.py",
    "plugins.py",
    "runtime.py",
    "segments.py",
    "viterbi.py",
    "labels.py",
    "text",
    "values.py",
    "views",
    "tasks",
)
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pydantic")
SUBWORDS = "sentencepiece"  # needed as well where texts are divided into them
EXPORT = "export"  # the artifact that holds it
EVALUATION_TAG = "evaluation"
LARGEST_EXAMPLE = 200_000  # numbers, which MLflow writes as text: a clip of 50 x 50 x 50 is 2.5 MB and takes 0.6 s


def log_model(run_id: str, export: Path, dataset: Path, evaluation: str) -> str:
    """Log the export as the model `model` of a run, loadable without TensorFlow, with a test example of `dataset`.

    evaluation: the mark of the evaluation that scored it, for which the run gets one model, however often it is asked.
    Returns MLflow's id of the model: a run that was scored twice has two models of the same name.
    """
    mlflow = import_mlflow()
    if known := _known_model(run_id, evaluation):
        return known
    opened = Export(export)
    with tempfile.TemporaryDirectory() as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        code = copy_serving_code(Path(aside) / PACKAGE.name)
        was_active = mlflow.active_run()
        with mlflow.start_run(run_id=run_id, nested=was_active is not None, log_system_metrics=False):
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(PACKAGE / "tracking" / "served.py"),
                artifacts={EXPORT: str(export)},
                code_paths=[str(code)],
                signature=signature(opened),
                input_example=input_example(opened, Dataset(dataset)),
                tags={EVALUATION_TAG: evaluation},
                pip_requirements=[f"{name}=={version(name)}" for name in requirements(opened)],
            )
    return str(logged.model_id)


def requirements(export: Export) -> list[str]:
    """The packages that answering a request needs."""
    described = export.manifest.description
    divided = described.subwords or (described.answers and described.answers.subwords)
    return [*REQUIREMENTS, *([SUBWORDS] if divided else [])]


def _known_model(run_id: str, evaluation: str) -> str | None:
    """The id of this evaluation's model, if the run has it; one that was killed while it was logged is removed."""
    client, experiment = connect()
    models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    for model in models:
        if model.status == "PENDING":
            client.delete_logged_model(model.model_id)
    scored = (model for model in models if model.tags.get(EVALUATION_TAG) == evaluation)
    return next((str(model.model_id) for model in scored if model.status == "READY"), None)


def copy_serving_code(target: Path) -> Path:
    """The files of this package that answer a request, and no others."""
    for part in SERVING_CODE:
        files = sorted((PACKAGE / part).glob("*.py")) if (PACKAGE / part).is_dir() else [PACKAGE / part]
        for file in files:
            copy = target / file.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return target


def input_example(export: Export, dataset: Dataset) -> Any:
    """The first test example, as a batch of one of what the signature takes; None where it is large."""
    arrays = {key: values[:1] for key, values in dataset.split("test").items()}
    example = export.view.as_given(arrays, dataset.card)
    if export.view.given_as_text:
        import pandas as pd

        return pd.DataFrame({TEXT_COLUMN: example.tolist()})
    return example if example.size <= LARGEST_EXAMPLE else None


def signature(export: Export) -> Any:
    """Written by hand: batch and time axes are free, which MLflow's own inference does not know."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array

    kinds = {"string": DataType.string, "double": DataType.double, "long": DataType.long}
    columns = []
    for name, kind in export.task.COLUMNS.items():
        one = kinds[kind.removesuffix("s")]
        columns.append(ColSpec(Array(one) if kind.endswith("s") else one, name))
    dtype, shape = export.view.raw(tuple(export.manifest.stored_shape))
    given = TensorSpec(np.dtype(dtype), (-1, *shape)) if dtype != "str" else ColSpec(DataType.string, TEXT_COLUMN)
    return ModelSignature(inputs=Schema([given]), outputs=Schema(columns))
