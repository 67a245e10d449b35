"""Open an export and run it with ONNX Runtime: what is scored, what `predict` answers with and what MLflow serves.

An export is a folder: one `.onnx` file per graph and `export.json`. A graph `step` is run step by step, or on all steps
at once where it reads many, its state starting at zero for each sequence; the graph `model` answers at once, and may
give, as `features`, what its answer is made of. Scores of
pairs of labels (an output `pair_scores`) are decoded here, so whoever runs an export is given labels; and the graphs
`encoder` and `decoder` write here, so that whoever runs them is given the tokens of texts.

Shape legend: N examples, T time steps, L tokens of texts that were written.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
from pydantic import BaseModel, ConfigDict

from pipeline.dataset import Array, Description
from pipeline.decoding.exported import DECODER, ENCODER, open_decoder
from pipeline.decoding.hypotheses import as_rows
from pipeline.decoding.translator import LONGEST_READ, Translator, lengths_of
from pipeline.errors import UserError
from pipeline.files import read_model
from pipeline.plugins import load_plugin
from pipeline.text.tagging import PAIR_SCORES
from pipeline.views import View, open_view
from pipeline.viterbi import best_answers

MANIFEST_FILE = "export.json"
NEXT = "next_"
FEATURES = "features"  # an output of some graphs `model`, beside their answer
BATCH_SIZE = 64


class Manifest(BaseModel):
    """What an export says about itself: enough to use it without the dataset, params.yaml or Keras.

    description, stored_shape: of the dataset's examples. view, task: names. graphs: file by name. fingerprint: of the
    training that made the weights. longest_answer: tokens of the longest text that it was trained to write, if any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str
    dataset: str
    view: str
    task: str
    model: str
    num_parameters: int
    fingerprint: str
    description: Description
    stored_shape: list[int]
    graphs: dict[str, str]
    longest_answer: int | None = None


class Export:
    """An opened export."""

    def __init__(self, folder: Path, num_threads: int = 1) -> None:
        path = folder / MANIFEST_FILE
        if not path.is_file():
            raise UserError(f"{path}: no export here; make it with: dvc repro export@{folder.parent.name}")
        self.manifest = read_model(path, Manifest)
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = num_threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 3
        self.folder = folder
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    @cached_property
    def view(self) -> View:
        """How raw examples become inputs."""
        return open_view(self.manifest.view, self.manifest.description, f"{self.folder / MANIFEST_FILE}: view")

    @cached_property
    def task(self) -> ModuleType:
        """How outputs become answers and metrics."""
        return load_plugin("tasks", self.manifest.task, f"{self.folder / MANIFEST_FILE}: task")

    @cached_property
    def translator(self) -> Translator:
        """What answers with texts, of an export that does."""
        decoder = open_decoder(self.session(ENCODER), self.session(DECODER))
        return Translator(decoder, self.manifest.longest_answer or 0)

    @property
    def writes(self) -> bool:
        """Whether it answers with texts."""
        return ENCODER in self.manifest.graphs

    def session(self, graph: str) -> onnxruntime.InferenceSession:
        """The ONNX Runtime session of a graph, opened at its first use."""
        if graph not in self._sessions:
            path = self.folder / self.manifest.graphs[graph]
            self._sessions[graph] = onnxruntime.InferenceSession(
                path, sess_options=self._options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[graph]

    def run(self, inputs: Array) -> Array:
        """Outputs [N, ...] for the inputs [N, ...] that the view makes.

        Of scores of pairs, 1 for each best label; of texts, the tokens [N, L] of the best answers, 0 after their ends.
        """
        if self.writes:
            return as_rows([best.tokens for best, *_ in self.translator.answers(inputs)])
        outputs = self.run_graphs(inputs)
        return best_answers(outputs) if self._scores_pairs else outputs

    def run_graphs(self, inputs: Array) -> Array:
        """What the graphs themselves answer, where they answer at once."""
        return self._run_steps(inputs) if "step" in self.manifest.graphs else self._run_model(inputs)

    @property
    def has_features(self) -> bool:
        """Whether it also gives what its answers are made of."""
        return "model" in self.manifest.graphs and FEATURES in _output_names(self.session("model"))

    def features(self, inputs: Array) -> Array:
        """What the answers to inputs [N, ...] are made of, of an export that has it: [N, F], or [N, T, F]."""
        session = self.session("model")
        return np.asarray(session.run([FEATURES], {session.get_inputs()[0].name: inputs})[0])

    @property
    def _scores_pairs(self) -> bool:
        return "model" in self.manifest.graphs and PAIR_SCORES in _output_names(self.session("model"))

    def run_batches(
        self,
        num_examples: int,
        batch: Callable[[slice | Array], Array],
        advance: Callable[[int], Any],
        order: Array | None = None,
    ) -> Array:
        """Outputs of many examples, made and run batch by batch; `advance` hears how many are done more.

        order: in which they are run, so that those of a batch may be alike; the outputs are in their own.
        """
        outputs = []
        for rows in batch_slices(num_examples):
            outputs.append(self.run(batch(rows if order is None else order[rows])))
            advance(len(outputs[-1]))
        found = as_rows([text for texts in outputs for text in texts]) if self.writes else np.concatenate(outputs)
        return found if order is None else found[np.argsort(order)]

    def described(self, card: Description) -> Description:
        """What a dataset's card says, with what was chosen for this export."""
        return card.model_copy(update={"segmentation": self.manifest.description.segmentation})

    def accept(self, raw: Array) -> Array:
        """Inputs from an array as a user gives it; a `UserError` says what does not fit."""
        return self.view.accept(raw, self.manifest.description, tuple(self.manifest.stored_shape))

    def remark(self, raw: Array) -> str | None:
        """What a user should know of how one raw example is read."""
        if self.writes and self.view.layout == "texts":
            return self._remark_of_texts(raw)
        return self.view.remark(raw, self.manifest.description, tuple(self.manifest.stored_shape))

    def _remark_of_texts(self, raw: Array) -> str | None:
        (tokens,) = self.view.tokens(raw, self.manifest.description)
        if len(tokens) <= LONGEST_READ:
            return None
        return f"{len(tokens):,} tokens, of which the first {LONGEST_READ:,} are read"

    def answer(self, raw: Array) -> list[dict[str, Any]]:
        """Readable answers for one raw example or several, in the units of the data.

        Batch by batch: thousands of images at once need the memory of a few.
        """
        inputs, description = self.accept(raw), self.manifest.description
        order = np.argsort(lengths_of(inputs), kind="stable") if self.writes and self.view.layout == "texts" else None
        outputs = self.run_batches(len(inputs), lambda rows: inputs[rows], lambda done: None, order)
        found = self.view.in_units(outputs, raw, description)
        tokens = [self.view.tokens(raw, description)] if getattr(self.task, "NAMES_TOKENS", False) else []
        answers: list[dict[str, Any]] = self.task.readable(found, description, *tokens)
        return answers

    def _run_model(self, inputs: Array) -> Array:
        session = self.session("model")
        answer = next(name for name in _output_names(session) if name != FEATURES)
        return np.asarray(session.run([answer], {session.get_inputs()[0].name: inputs})[0])

    def _run_steps(self, inputs: Array) -> Array:
        """Outputs at all steps, or after the last where one is asked for; a step graph may read many steps at once."""
        session = self.session("step")
        step_input, *states = session.get_inputs()
        names = [output.name for output in session.get_outputs()]
        state = {given.name: np.zeros((len(inputs), given.shape[1]), dtype=np.float32) for given in states}
        at_once = len(step_input.shape) == inputs.ndim
        outputs = []
        for given in [inputs] if at_once else np.moveaxis(inputs, 1, 0):
            results = dict(zip(names, session.run(None, {step_input.name: given, **state}), strict=True))
            state = {name: results.pop(NEXT + name) for name in state}
            outputs.append(next(iter(results.values())))
        found = outputs[0] if at_once else np.stack(outputs, axis=1)
        return found if "each step" in self.view.asks else found[:, -1]


def _output_names(session: onnxruntime.InferenceSession) -> list[str]:
    return [output.name for output in session.get_outputs()]


def megabytes(folder: Path) -> float:
    """The size of an export's graphs."""
    return round(sum(file.stat().st_size for file in folder.glob("*.onnx")) / 1e6, 6)


def batch_slices(num_examples: int) -> Iterator[slice]:
    """Slices of at most `BATCH_SIZE` examples."""
    for start in range(0, num_examples, BATCH_SIZE):
        yield slice(start, min(start + BATCH_SIZE, num_examples))
