"""`set KEY=VALUE`: params.yaml changed as a person would change it, and only if it still holds together."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from pipeline.config import PARAMS_FILE, SECTIONS, check_all, load_params
from pipeline.errors import UserError, choices

NO_LINE_BREAKS = 10_000


def with_settings(settings: Sequence[str], path: Path = PARAMS_FILE) -> str:
    """The text of params.yaml with `KEY=VALUE` settings; every other block and all comments stay as they are.

    A block that shares its content with another one (a YAML anchor) gets a copy of its own first.

    Args:
        settings: such as `variants.memory_lstm.training.steps=400`; the value is YAML.
        path: the file, which is not changed.

    Raises:
        UserError: a setting is none, names what is not there, or params.yaml would be wrong with it.
    """
    load_params(path)
    editor = YAML()
    editor.width = NO_LINE_BREAKS
    editor.preserve_quotes = True
    editor.indent(sequence=4, offset=2)  # lists as params.yaml has them
    document = editor.load(path.read_text(encoding="utf-8"))
    for setting in settings:
        keys, value = _parse(setting)
        _set(document, keys, value, setting)
    with TemporaryDirectory() as folder:
        aside = Path(folder, path.name)
        editor.dump(document, aside)
        errors = check_all(aside)
        if errors:
            raise UserError("\n       ".join([*(f"set {setting}" for setting in settings), *errors]))
        return aside.read_text(encoding="utf-8")


def _parse(setting: str) -> tuple[list[str], Any]:
    key, equals, text = setting.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"set: found {setting!r}; allowed: KEY=VALUE, such as variants.memory_lstm.seed=2")
    if keys[0] not in SECTIONS:
        raise UserError(f"set {setting}: no section {keys[0]!r}; {choices(keys[0], SECTIONS)}")
    try:
        return keys, YAML(typ="safe").load(text)  # DVC's reading of numbers such as 1e-3, which PyYAML takes for text
    except YAMLError as error:
        raise UserError(f"set {setting}: the value is not valid YAML: {' '.join(str(error).split())}") from None


def _set(document: CommentedMap, keys: list[str], value: Any, setting: str) -> None:
    block = document
    for depth, key in enumerate(keys[:-1]):
        where = ".".join(keys[:depth]) or str(PARAMS_FILE)
        if key not in block:
            raise UserError(f"set {setting}: {where} has no {key!r}; {choices(key, map(str, block))}")
        if not isinstance(block[key], CommentedMap):
            raise UserError(f"set {setting}: {where}.{key} is {block[key]!r}, which has no keys; set it as a whole")
        if block[key].anchor.value is not None or key not in block.keys() - _merged(block):
            block[key] = _copy(block[key])
        block = block[key]
    block[keys[-1]] = value


def _merged(block: CommentedMap) -> set[str]:
    """The keys that a block has from `<<` alone."""
    return set(block) - {key for key, _ in block.non_merged_items()}


def _copy(block: CommentedMap) -> CommentedMap:
    """The block without its anchor, so that what refers to the original keeps what it had."""
    copy = deepcopy(block)
    setattr(copy, Anchor.attrib, Anchor())
    return copy
