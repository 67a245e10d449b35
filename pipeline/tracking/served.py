"""The model that MLflow serves: models-from-code, so nothing is pickled. Runs with ONNX Runtime, without TensorFlow."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from pipeline.errors import UserError
from pipeline.runtime import Export, batch_slices


class ServedExport(mlflow.pyfunc.PythonModel):
    """Answers raw examples: with labels and probabilities, values or texts, as its task says."""

    _skip_type_hint_validation = True  # what it reads is said by the signature it is logged with

    def load_context(self, context: Any) -> None:
        """Open the export that was logged with this file."""
        self.export = Export(Path(context.artifacts["export"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """One row per example; what does not fit raises MLflow's error for it, which its server answers with 400."""
        given = np.asarray(model_input)
        # Batch by batch: a request of thousands needs the memory of a few, and texts are padded among a few only.
        batches = list(batch_slices(len(given))) or [slice(None)]
        try:
            answers = [answer for rows in batches for answer in self.export.answer(given[rows])]
        except UserError as error:
            raise mlflow.MlflowException.invalid_parameter_value(str(error)) from None
        return pd.DataFrame([{name: answer[name] for name in self.export.task.COLUMNS} for answer in answers])


mlflow.models.set_model(ServedExport())
