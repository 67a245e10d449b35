"""From the bytes of a request, in MLflow's scoring protocol, to what the model's signature asks for, or a refusal."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import Array

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("inputs", "instances")
ALLOWED = 'allowed: {"inputs": [example, ...]}'
LONGEST = 10_000  # steps along a free axis: a network that is run step by step takes 0.2 s for them
LONGEST_TEXT = 20_000  # characters
TEXT_COLUMN = "text"
NO_NUMBERS = (b"true", b"false", b"null")
JSON_TYPE = "application/json"


class Refused(Exception):
    """A request that is not answered: the HTTP status, and one line on what was found and what is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_request(body: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """The examples of a JSON body as an array of `dtype` and `shape`, -1 for a free axis; raises `Refused`."""
    values = _values(body)
    # Looked for in the bytes: NumPy would pad every number to the longest of the texts, and take true for 1.
    if body.count(b'"') != 2 or any(word in body for word in NO_NUMBERS):
        raise Refused(400, f"found texts, objects, true, false or null among the numbers; {ALLOWED}, all of numbers")
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError):
        raise Refused(400, "the examples are lists of unequal length; allowed: one length in each request") from None
    if array.dtype.kind not in "uif":
        raise Refused(400, "found no numbers, or one that is too large; allowed: nested lists of numbers")
    _check_shape(array.shape, shape)
    return _cast(array, dtype)


def read_texts(body: bytes) -> "pd.DataFrame":
    """The texts of a JSON body, a list of strings, as the column that models of texts read; raises `Refused`."""
    import pandas as pd

    texts = _values(body)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refused(400, 'found no list of texts; allowed: {"inputs": ["a text", ...]}, one text or more')
    longest = max(map(len, texts))
    if longest > LONGEST_TEXT:
        raise Refused(400, f"found a text of {longest:,} characters; allowed: up to {LONGEST_TEXT:,}")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise Refused(400, "found a text with half a character (a lone surrogate); allowed: text in UTF-8") from None
    return pd.DataFrame({TEXT_COLUMN: texts})


def _values(body: bytes) -> Any:
    try:
        content = json.loads(body, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Refused(400, "the body is not text in UTF-8") from None
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Refused(400, "the body is not a request: its lists are nested too deeply") from None
    if not isinstance(content, dict):
        raise Refused(400, f"the body is JSON, but no object; {ALLOWED}")
    if len(content) != 1 or not content.keys() <= set(KEYS):
        found = ", ".join(repr(key[:40]) for key in list(content)[:5]) or "none"
        raise Refused(400, f"found keys: {found}; {ALLOWED}")
    return next(iter(content.values()))


def _no_number(name: str) -> None:
    raise Refused(400, f"found {name}; allowed: finite numbers")


def _check_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    fits = len(found) == len(wanted) and all(want in (-1, have) for have, want in zip(found, wanted, strict=True))
    if not fits:
        axes = ", ".join("any" if axis == -1 else str(axis) for axis in wanted)
        raise Refused(400, f"found numbers of shape {list(found)}; allowed: [{axes}], the first axis being examples")
    if 0 in found:
        raise Refused(400, f"found numbers of shape {list(found)}, which is empty; allowed: at least one example")
    longest = max((have for have, want in zip(found[1:], wanted[1:], strict=True) if want == -1), default=0)
    if longest > LONGEST:
        raise Refused(400, f"found examples of {longest:,} steps; allowed: up to {LONGEST:,}")


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "ui" and not np.array_equal(cast, array):
        raise Refused(400, f"found {array[cast != array][0]}; allowed: whole numbers that {dtype} can hold")
    if not np.isfinite(cast).all():
        raise Refused(400, f"found a number that is too large for {dtype}; allowed: finite numbers")
    return cast
