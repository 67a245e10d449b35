"""What there is to test, found and not listed: every source, dataset and network, and small forms of them.

A new plug-in or block of params.yaml is tested because it is there.
"""

import inspect
import json
import tempfile
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel

from pipeline.config import VariantBlock, dataset_block, derived_block, load_params, variant_block
from pipeline.dataset import Array, Dataset
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
def small_dataset(name: str) -> Dataset:
    """A few small examples of the dataset `name` of params.yaml; imported ones have no small form."""
    folder = Path(SCRATCH.name) / name
    if name in PARAMS["datasets"]:
        block = dataset_block(name, PARAMS)
        source = load_plugin("datasets", block.source, name)
        generate(name, source, small_parameters(source, block.parameters), block.seed, SMALL_SPLITS, folder)
    else:
        derived = derived_block(name, PARAMS)
        method = load_plugin("derivations", derived.method, name)
        origin = small_dataset(Path(derived.dataset).name).folder
        start = origin if derived.start == derived.dataset else Path(derived.start)
        derive(name, method, derived.parameters, origin, start, folder)
    return Dataset(folder)


@dataclass(frozen=True)
class Case:
    """One network in a small form, on a small form of its dataset."""

    name: str
    block: VariantBlock

    @cached_property
    def architecture(self) -> ModuleType:
        return load_plugin("models", self.block.model, self.name)

    @cached_property
    def dataset(self) -> Dataset:
        return small_dataset(self.block.dataset)

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


def _variants() -> list[Case]:
    """Every variant's network in a small form, equal ones once."""
    found: dict[str, Case] = {}
    for name in PARAMS["variants"]:
        block = variant_block(name, PARAMS)
        if block.dataset in PARAMS["imports"]:
            continue
        network, training = block.network.small(), block.training.small()
        key = [block.model, network.model_dump(mode="json"), block.dataset, block.view, training.truncate_steps]
        small = block.model_copy(update={"network": network, "training": training})
        found.setdefault(json.dumps(key), Case(name, small))
    return list(found.values())


def formulations(case: Case) -> list[Case]:
    """The same network in every formulation that its architecture has; the case itself where it has but one."""
    field = type(case.block.network).model_fields.get("formulation")
    if field is None:
        return [case]
    others = [name for name in get_args(field.annotation) if name != case.block.network.formulation]
    networks = {f"{case.name}-{name}": case.block.network.model_copy(update={"formulation": name}) for name in others}
    return [case, *(Case(n, case.block.model_copy(update={"network": network})) for n, network in networks.items())]


VARIANTS = _variants()
ONE_EACH = list({case.block.model: case for case in VARIANTS}.values())  # one for each architecture: for dear checks
FORMS = [form for case in ONE_EACH for form in formulations(case)]


def label(case: Case) -> str:
    return case.name


def checksums_of_all_sources() -> dict[str, dict[str, str]]:
    """SHA-256 of what every source draws, by its name, split and array."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in SOURCES:
            source = load_plugin("datasets", name, "tests")
            card = generate(name, source, small_parameters(source), 5, SMALL_SPLITS, Path(folder, name))
            found[name] = card.checksums()
    return found
