"""What there is to test, found and not listed: every source, dataset and network, in small forms and as published.

A new plug-in or block of params.yaml is tested because it is there. Published means as params.yaml has it.
"""

import inspect
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from exported import write_echo_export, write_features_export
from pydantic import BaseModel

from pipeline.blocks import VariantBlock
from pipeline.config import dataset_block, derived_block, load_params, variant_block
from pipeline.dataset import Array, Card, Dataset
from pipeline.network import network_spec
from pipeline.plugins import load_plugin, plugin_names
from pipeline.stages.derive import derive
from pipeline.stages.generate import generate
from pipeline.views import ExampleSpec, View, open_view

ROOT = Path(__file__).parents[1]
PARAMS = load_params(ROOT / "params.yaml")
SOURCES = plugin_names("datasets")
ARCHITECTURES = plugin_names("models")
SMALL_SPLITS = {"train": 24, "validation": 8, "test": 12}
SCRATCH = tempfile.TemporaryDirectory(prefix="cadence-small-")


def small_parameters(source: ModuleType, like: BaseModel | None = None) -> BaseModel:
    """The source's small parameters, keeping from `like` whatever its `small` can be given."""
    kept = inspect.signature(source.Parameters.small).parameters if like else {}
    parameters: BaseModel = source.Parameters.small(**{name: getattr(like, name) for name in kept})
    return parameters


@cache
def few_examples(name: str, published: bool) -> Dataset:
    """A few examples of the dataset `name` of params.yaml, small or of published size; imported ones have no few."""
    folder = Path(SCRATCH.name, "published" if published else "small", name)
    if name in PARAMS["datasets"]:
        block = dataset_block(name, PARAMS)
        source = load_plugin("datasets", block.source, name)
        parameters = block.parameters if published else small_parameters(source, block.parameters)
        generate(name, source, parameters, block.seed, SMALL_SPLITS, folder)
    else:
        derived = derived_block(name, PARAMS)
        method = load_plugin("derivations", derived.method, name)
        origin = few_examples(Path(derived.dataset).name, published).folder
        room, _, start = derived.start.partition("/")
        if room == "data":
            beginning = few_examples(start, published).folder
        else:
            beginning = folder.parent / f"{name}-export"
            place = list(PARAMS["derived"]).index(name)  # no two members of an ensemble answer alike
            variant = start.partition("/")[0]
            if derived.method == "features":
                write_features_export(beginning, variant, Dataset(origin), derived.parameters.window is None)
            else:
                write_echo_export(beginning, variant, Dataset(origin), first=place)
        derive(name, method, derived.parameters, origin, beginning, folder, folder.parent / f"{name}-reports")
    return Dataset(folder)


@dataclass(frozen=True)
class Case:
    """One network on a few examples of its dataset: both in a small form, or both of published size."""

    name: str
    block: VariantBlock
    published: bool = False

    @cached_property
    def architecture(self) -> ModuleType:
        return load_plugin("models", self.block.model, self.name)

    @cached_property
    def dataset(self) -> Dataset:
        return few_examples(self.block.dataset, self.published)

    @cached_property
    def view(self) -> View:
        return open_view(self.block.view, self.dataset.card, self.name)

    @cached_property
    def spec(self) -> ExampleSpec:
        return network_spec(self.view, self.dataset, self.block.training)

    def build(self) -> Any:
        return self.architecture.build(self.block.network, self.spec)

    def examples(self, number: int, split: str = "train") -> dict[str, Array]:
        return {key: values[:number] for key, values in self.dataset.split(split).items()}


def _variants(published: bool = False) -> list[Case]:
    """Every variant's network, in a small form unless `published`; equal ones once."""
    found: dict[str, Case] = {}
    for name in PARAMS["variants"]:
        block = variant_block(name, PARAMS)
        if block.dataset in PARAMS["imports"]:
            continue
        if not published:
            block = block.model_copy(update={"network": block.network.small(), "training": block.training.small()})
        network = block.network.model_dump(mode="json")
        key = [block.model, network, block.dataset, block.view, block.training.truncate_steps]
        found.setdefault(json.dumps(key), Case(f"{name}-published" if published else name, block, published))
    return list(found.values())


def formulations(case: Case) -> list[Case]:
    """The same network in every formulation that its architecture has; the case itself where it has but one."""
    field = type(case.block.network).model_fields.get("formulation")
    if field is None:
        return [case]
    others = [name for name in get_args(field.annotation) if name != case.block.network.formulation]
    networks = {f"{case.name}-{name}": case.block.network.model_copy(update={"formulation": name}) for name in others}
    blocks = {name: case.block.model_copy(update={"network": network}) for name, network in networks.items()}
    return [case, *(replace(case, name=name, block=block) for name, block in blocks.items())]


VARIANTS = _variants()
ONE_EACH = list({case.block.model: case for case in VARIANTS}.values())  # one for each architecture: for dear checks
FORMS = [form for case in ONE_EACH for form in formulations(case)]
PUBLISHED = _variants(published=True)
PUBLISHED_FORMS = [form for case in PUBLISHED for form in formulations(case)]


@dataclass(frozen=True)
class Drawing:
    """What a source draws: a few small examples, or a whole dataset of params.yaml."""

    name: str
    source: ModuleType
    parameters: BaseModel
    splits: dict[str, int]
    published: bool = False

    def draw(self, folder: Path, seed: int = 5, **other_splits: int) -> Card:
        return generate(self.name, self.source, self.parameters, seed, self.splits | other_splits, folder)


def _drawings() -> list[Drawing]:
    found = []
    for name in SOURCES:
        source = load_plugin("datasets", name, "tests")
        found.append(Drawing(name, source, small_parameters(source), SMALL_SPLITS))
    for name in PARAMS["datasets"]:
        block = dataset_block(name, PARAMS)
        source, splits = load_plugin("datasets", block.source, name), block.splits.model_dump()
        found.append(Drawing(f"{name}-published", source, block.parameters, splits, published=True))
    return found


DRAWINGS = _drawings()


def label(found: Case | Drawing) -> str:
    return found.name


def marked(found: Iterable[Case | Drawing]) -> list[Any]:
    """The same as pytest's parameters: what has published size runs in `make test-full` only."""
    return [pytest.param(each, marks=pytest.mark.full if each.published else ()) for each in found]


def checksums(published: bool) -> dict[str, dict[str, str]]:
    """SHA-256 of every small drawing, or of every published one, by its name, split and array."""
    with tempfile.TemporaryDirectory() as folder:
        drawings = [drawing for drawing in DRAWINGS if drawing.published == published]
        return {drawing.name: drawing.draw(Path(folder, drawing.name)).checksums() for drawing in drawings}
