"""Parts of words, by byte pair encoding: Sennrich, Haddow & Birch, *Neural Machine Translation of Rare Words with
Subword Units* (2016), as sentencepiece does it (Kudo & Richardson 2018).

A model of subwords is what sentencepiece writes, in base64: text, so that a card can hold it. Its vocabulary begins as
that of texts which are answered does. sentencepiece is imported where it is needed.
"""

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.errors import UserError
from pipeline.text.vocabulary import ANSWER_RESERVED

LONGEST_TEXT = 1 << 20  # bytes of a text from which subwords are learned; sentencepiece passes over longer ones
SPACE = "▁"  # what stands for it in subwords
QUIET = 2  # errors only


def learn(texts: Sequence[str], vocabulary_size: int) -> str:
    """A model of at most `vocabulary_size` subwords, the four for padding, unknown, beginning and end included.

    The same texts make the same model: it is learned in one thread. Texts are taken as they are but for white space,
    which is one space. Raises `UserError` where the characters alone are more than that.
    """
    import sentencepiece

    characters = {SPACE, *"".join(texts)} - {" "}
    least = len(ANSWER_RESERVED) + len(characters)
    if vocabulary_size < least:
        raise UserError(
            f"vocabulary_size is {vocabulary_size}; allowed: at least {least}, as each of the {len(characters)} "
            "characters of the training texts is a subword"
        )
    reserved: dict[str, Any] = {}
    for index, (name, token) in enumerate(zip(("pad", "unk", "bos", "eos"), ANSWER_RESERVED, strict=True)):
        reserved |= {f"{name}_id": index, f"{name}_piece": token}
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type="bpe",
        vocab_size=vocabulary_size,
        hard_vocab_limit=False,  # small texts have fewer
        character_coverage=1.0,
        normalization_rule_name="identity",
        max_sentence_length=LONGEST_TEXT,
        num_threads=1,
        minloglevel=QUIET,
        **reserved,
    )
    return base64.b64encode(written.getvalue()).decode("ascii")


def vocabulary_of(model: str) -> list[str]:
    """All subwords of a model, in the order of their indices."""
    processor = _opened(model)
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def divide(text: str, model: str) -> list[str]:
    """The subwords of a text; characters that the model does not know stand as they are."""
    return list(_opened(model).encode(text, out_type=str))


def join(subwords: list[str], model: str) -> str:
    """The text of which these are the parts."""
    return str(_opened(model).decode(subwords)) if subwords else ""


@lru_cache(maxsize=8)
def _opened(model: str) -> Any:
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(model))
