"""Read a YAML file as people mean it: a key that stands twice in its block is refused."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError


def read_yaml(path: Path) -> Any:
    """The content of a file, None where it is empty; what is no YAML is a `UserError`."""
    try:
        document = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        _refuse_repeated_keys(document, path)
        return yaml.SafeLoader("").construct_document(document) if document else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the last two: no UTF-8, no date, an alias of itself
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _refuse_repeated_keys(node: yaml.Node | None, path: Path) -> None:
    """YAML readers differ in what they make of a key that stands twice; PyYAML drops the first in silence."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # the constructor refuses a list or mapping as a key
            if key.value in seen:
                raise UserError(f"{path}: line {key.start_mark.line + 1}: key {key.value!r} stands twice in its block")
            seen.add(key.value)
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)
