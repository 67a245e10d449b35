"""params.yaml as typed, validated objects: the only reader of it.

A stage reads its own block only (`dataset_block`, `variant_block`, ...), so one bad block stops nothing else;
`check_all` reads everything and collects every error.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.blocks import ComparisonBlock, DatasetBlock, DerivedBlock, ImportBlock, PromotionBlock, VariantBlock
from pipeline.compared import blocks_of
from pipeline.errors import UserError, choices
from pipeline.plugins import NAME, load_plugin, plugin_names
from pipeline.views import VIEWS
from pipeline.yaml_file import read_yaml

PARAMS_FILE = Path("params.yaml")
SECTIONS = ("datasets", "imports", "derived", "variants", "comparisons", "promotion")
OPTIONAL = "promotion"  # the others are read by dvc.yaml, which has no defaults
UPPER_BOUNDS = ("latency_ms", "megabytes")  # what a gate of `promotion` knows besides a task's metrics
RESERVED = ("seeds", "promotions", "data")  # folders of reports/ that belong to no variant
RESERVED_DATASET = "references"  # the folder of data/ that is no dataset


def load_params(path: Path = PARAMS_FILE) -> dict[str, dict[str, Any]]:
    """The sections of params.yaml as they stand there."""
    if not path.is_file():
        raise UserError(f"{path}: not found; run this from the project's folder")
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {content!r}; allowed: the sections {', '.join(SECTIONS)}")
    for section, blocks in content.items():
        if section not in SECTIONS:
            raise UserError(f"{path}: unknown section {section!r}; {choices(str(section), SECTIONS)}")
        if not isinstance(blocks or {}, dict):
            raise UserError(f"{path}: {section}: found {blocks!r}; allowed: blocks by name")
    return {section: content.get(section) or {} for section in SECTIONS}


def dataset_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> DatasetBlock:
    """The validated block of a synthetic dataset, its `parameters` as its source's own class."""
    return _plugin_block(DatasetBlock, "datasets", name, "source", "datasets", params)


def import_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> ImportBlock:
    """The validated block of an import, its `parameters` as its format's own class."""
    return _plugin_block(ImportBlock, "imports", name, "format", "formats", params)


def derived_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> DerivedBlock:
    """The validated block of a derived dataset, its `parameters` as its method's own class."""
    params = params or load_params()
    block = _plugin_block(DerivedBlock, "derived", name, "method", "derivations", params)
    where = f"{PARAMS_FILE}: derived.{name}"
    _check_path(block.dataset, f"{where}.dataset", params)
    method = load_plugin("derivations", block.method, f"{where}.method")
    if not (getattr(method, "STARTS_FROM_A_FILE", False) and Path(block.start).is_file()):
        _check_path(block.start, f"{where}.start", params)
    return block


def variant_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> VariantBlock:
    """The validated block of a variant, its `network` as its architecture's own class."""
    params = params or load_params()
    block = _block(VariantBlock, "variants", name, params)
    where = f"{PARAMS_FILE}: variants.{name}"
    if block.dataset not in dataset_names(params):
        raise UserError(
            f"{where}.dataset: no dataset {block.dataset!r}; {choices(block.dataset, dataset_names(params))}"
        )
    starts = [f"data/{block.dataset}", *(f"models/{other}/train" for other in params["variants"] if other != name)]
    if block.start not in starts:
        raise UserError(f"{where}.start: found {block.start!r}; {choices(block.start, starts)}")
    if name in RESERVED:
        raise UserError(f"{where}: this name belongs to reports/{name}; allowed: any other")
    if block.view not in VIEWS:
        raise UserError(f"{where}.view: found {block.view!r}; {choices(block.view, VIEWS)}")
    task = load_plugin("tasks", block.task, f"{where}.task")
    for metric in block.gate:
        if metric not in task.METRICS:
            raise UserError(f"{where}.gate: unknown metric {metric!r}; {choices(metric, task.METRICS)}")
    architecture = load_plugin("models", block.model, f"{where}.model")
    _check_fit(block, architecture, task, where)
    network = _parameters(architecture, block.network, f"variants.{name}.network")
    return block.model_copy(update={"network": network})


def comparison_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> ComparisonBlock:
    """The validated block of a figure of several variants, its `parameters` as its kind's own class."""
    params = params or load_params()
    block: ComparisonBlock = _block(ComparisonBlock, "comparisons", name, params)
    where = f"{PARAMS_FILE}: comparisons.{name}"
    for variant in block.variants:
        if variant not in params["variants"]:
            raise UserError(f"{where}.variants: no variant {variant!r}; {choices(variant, params['variants'])}")
    plugin = load_plugin("comparisons", block.figure, f"{where}.figure")
    parameters = _parameters(plugin, block.parameters, f"comparisons.{name}.parameters")
    if hasattr(plugin, "check") and all(_holds(variant, params) for variant in block.variants):
        try:
            plugin.check([blocks_of(variant, params) for variant in block.variants], parameters)
        except ValueError as error:
            raise UserError(f"{where}.{error}") from None
    return block.model_copy(update={"parameters": parameters})


def _holds(variant: str, params: dict[str, dict[str, Any]]) -> bool:
    """Whether the blocks of a variant and of its dataset are valid; what is wrong is said of them, where they stand."""
    try:
        dataset = variant_block(variant, params).dataset
        for section, read in (("datasets", dataset_block), ("imports", import_block), ("derived", derived_block)):
            if dataset in params[section]:
                read(dataset, params)
    except UserError:
        return False
    return True


def promotion_block(name: str, params: dict[str, dict[str, Any]] | None = None) -> PromotionBlock:
    """The validated block of `promotion` for the dataset `name`; defaults where params.yaml has none."""
    params = params or load_params()
    if name not in params["promotion"]:
        return PromotionBlock()
    where = f"{PARAMS_FILE}: promotion.{name}"
    if name not in dataset_names(params):
        raise UserError(f"{where}: no dataset {name!r}; {choices(str(name), dataset_names(params))}")
    block: PromotionBlock = _block(PromotionBlock, "promotion", name, params)
    blocks = [found for found in params["variants"].values() if isinstance(found, dict)]
    tasks = {str(found.get("task")) for found in blocks if found.get("dataset") == name} & set(plugin_names("tasks"))
    allowed = {*UPPER_BOUNDS, *(metric for task in tasks for metric in load_plugin("tasks", task, where).METRICS)}
    for metric in block.gate:
        if metric not in allowed:
            raise UserError(f"{where}.gate: unknown metric {metric!r}; {choices(metric, allowed)}")
    return block


def drift_limit(name: str) -> tuple[bool, float | None]:
    """Whether a dataset is an import, and the `drift` of its block."""
    params = load_params()
    if name in params["imports"]:
        return True, _block(ImportBlock, "imports", name, params).drift
    if name not in dataset_names(params):
        raise UserError(f"{PARAMS_FILE}: no dataset {name!r}; {choices(name, dataset_names(params))}")
    return False, None


def dataset_names(params: dict[str, dict[str, Any]]) -> list[str]:
    """All datasets, however they are made."""
    return [str(name) for section in ("datasets", "imports", "derived") for name in params[section]]


def check_all(path: Path = PARAMS_FILE) -> list[str]:
    """Every error in params.yaml, each in one line; an empty list if there is none."""
    params, given = load_params(path), read_yaml(path) or {}
    errors = [
        f"{PARAMS_FILE}: no section {section!r}; allowed where it has no blocks: {section}: {{}}"
        for section in SECTIONS
        if section != OPTIONAL and given.get(section) is None
    ]
    readers = (dataset_block, import_block, derived_block, variant_block, comparison_block, promotion_block)
    for section, read in zip(SECTIONS, readers, strict=True):
        for name in params[section]:
            try:
                block = read(name, params)
                if isinstance(block, ImportBlock) and not block.path.exists():
                    raise UserError(
                        f"{PARAMS_FILE}: imports.{name}.path: {block.path} does not exist; allowed: a file or folder"
                    )
            except UserError as error:
                errors.append(str(error))
    errors += _circles(params["variants"])
    names = dataset_names(params)
    errors += [
        f"{PARAMS_FILE}: dataset name {name!r} is used twice" for name in {n for n in names if names.count(n) > 1}
    ]
    return errors


def _plugin_block(kind: type[Any], section: str, name: str, key: str, room: str, params: Any) -> Any:
    """A block whose `parameters` belong to the plug-in that its `key` names."""
    block = _block(kind, section, name, params or load_params())
    if name == RESERVED_DATASET:
        raise UserError(f"{PARAMS_FILE}: {section}.{name}: this name belongs to data/{name}; allowed: any other")
    plugin = load_plugin(room, getattr(block, key), f"{PARAMS_FILE}: {section}.{name}.{key}")
    parameters = _parameters(plugin, block.parameters, f"{section}.{name}.parameters")
    return block.model_copy(update={"parameters": parameters})


def _block(kind: type[Any], section: str, name: str, params: dict[str, dict[str, Any]]) -> Any:
    if not (isinstance(name, str) and re.fullmatch(NAME, name)):
        raise UserError(f"{PARAMS_FILE}: {section}: name {name!r}; allowed: text of small letters, digits and _")
    if name not in params[section]:
        raise UserError(f"{PARAMS_FILE}: {section}: no {name!r}; {choices(name, map(str, params[section]))}")
    return _validated(kind, params[section][name], f"{section}.{name}")


def _parameters(plugin: ModuleType, found: Any, key: str) -> BaseModel:
    parameters: BaseModel = _validated(plugin.Parameters, found if found is not None else {}, key)
    return parameters


def _validated(kind: type[BaseModel], found: Any, key: str) -> Any:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise UserError("\n".join(_plain(kind, key, problem) for problem in error.errors())) from None


def _plain(kind: type[BaseModel], key: str, problem: Any) -> str:
    """One line for one problem: file, key, value found, what is allowed."""
    path = ".".join([key, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        allowed = _fields(kind, problem["loc"][:-1])
        return f"{PARAMS_FILE}: {path}: unknown key; {choices(str(problem['loc'][-1]), allowed)}"
    if problem["type"] == "missing":
        return f"{PARAMS_FILE}: {path}: is missing"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "value_error":
        return f"{PARAMS_FILE}: {path}: {message}"
    return f"{PARAMS_FILE}: {path}: found {problem['input']!r}; allowed: {message}"


def _fields(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys of the block at `path` below `kind`."""
    for part in path:
        field = kind.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        kind = inner
    return list(kind.model_fields)


def _check_fit(block: VariantBlock, architecture: ModuleType, task: ModuleType, where: str) -> None:
    """The view must show what the architecture reads, and ask what the task measures."""
    view = VIEWS[block.view]
    reads = (architecture.READS,) if isinstance(architecture.READS, str) else architecture.READS
    if view.shows not in reads:
        suited = ", ".join(name for name, other in VIEWS.items() if other.shows in reads)
        raise UserError(
            f"{where}.view: found {block.view!r}, which shows {view.shows}; model {block.model} reads "
            f"{' or '.join(reads)}; allowed: {suited}"
        )
    if view.asks not in task.ANSWERS:
        raise UserError(
            f"{where}.task: found {block.task!r}, which measures {' or '.join(task.ANSWERS)}; allowed: a task that "
            f"measures {view.asks}, which view {block.view!r} asks for"
        )
    if block.training.value_loss and "value" not in view.asks:
        raise UserError(
            f"{where}.training.value_loss: found {block.training.value_loss!r}; allowed: nothing, as view "
            f"{block.view!r} asks for {view.asks}"
        )
    if block.training.record_gradients and (view.shows != "a sequence" or block.training.truncate_steps is not None):
        raise UserError(
            f"{where}.training.record_gradients: found True; allowed: false, as model {block.model} is not given the "
            "steps of a whole sequence"
        )
    if block.training.bucket and view.layout != "texts" and view.asks != "a text":
        raise UserError(
            f"{where}.training.bucket: found {block.training.bucket}; allowed: nothing, as the examples of view "
            f"{block.view!r} are equally long"
        )
    truncated, carries = block.training.truncate_steps is not None, getattr(architecture, "CARRIES_STATE", False)
    if truncated != carries:
        raise UserError(
            f"{where}.training.truncate_steps: found {block.training.truncate_steps}; allowed: "
            + ("a number of steps" if carries else "nothing")
            + f", as model {block.model} {'carries' if carries else 'does not carry'} its state from call to call"
        )


def _circles(variants: dict[str, Any]) -> list[str]:
    """Variants whose chain of `start` comes back to them, none of which can be the first to train."""
    parents = {
        name: str(block.get("start", "")).removeprefix("models/").removesuffix("/train")
        for name, block in variants.items()
        if isinstance(block, dict)
    }
    errors = []
    for name in parents:
        chain = [name]
        while (parent := parents.get(chain[-1])) in parents and parent not in chain:
            chain.append(str(parent))
        if len(chain) > 1 and parent == name:
            errors.append(f"{PARAMS_FILE}: variants.{name}.start: goes in a circle: {' <- '.join([*chain, name])}")
    return errors


def _check_path(path: str, where: str, params: dict[str, dict[str, Any]]) -> None:
    """`path` must be the output of a stage: data/<dataset>, models/<variant>/train or models/<variant>/export."""
    allowed = [f"data/{name}" for name in dataset_names(params)]
    allowed += [f"models/{name}/{stage}" for name in params["variants"] for stage in ("train", "export")]
    if path not in allowed:
        raise UserError(f"{where}: found {path!r}; {choices(path, allowed)}")
