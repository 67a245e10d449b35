"""Plug-ins are found by their file's name: `datasets/digits.py` is the source `digits`. Nothing central is edited."""

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pipeline.errors import UserError, choices

NAME = re.compile(r"[a-z0-9_]+")
ROOM = Path(__file__).parent


def plugin_names(room: str) -> list[str]:
    """The names of all plug-ins of a room (`datasets`, `formats`, `models`, ...), in alphabetical order."""
    return sorted(path.stem for path in (ROOM / room).glob("*.py") if not path.stem.startswith("_"))


def load_plugin(room: str, name: str, where: str) -> ModuleType:
    """Import the plug-in `name` of `room`; `where` says in which file and key the name was found."""
    names = plugin_names(room)
    if name not in names:
        raise UserError(f"{where}: no {room}/{name}.py; {choices(name, names)}")
    return import_module(f"pipeline.{room}.{name}")
