"""How a text becomes tokens, and tokens a text again."""

import re

from pipeline.dataset import UNKNOWN, Tokenizer
from pipeline.text.subwords import divide, join

# A word may hold apostrophes, straight or curly; what is neither word nor white space is a token by itself.
WORD = re.compile(rf"{UNKNOWN}|\w+(?:['’]\w+)*|[^\w\s]")
BEFORE_SPACE, AFTER_SPACE = re.compile(r" ([-,.;:!?)\]])"), re.compile(r"([-(\[]) ")  # which is not written there
LINE_BREAK = "<br />"  # of reviews that were taken from web pages
UNKNOWN_CHARACTER = "\ufffd"


def tokenize(text: str, tokenizer: Tokenizer, subwords: str | None = None) -> list[str]:
    """The tokens of a text: lower-cased `words` and punctuation, `characters`, or what stands between `spaces`.

    Or `subwords`, by the model of that name (see `pipeline.text.subwords`).
    """
    if tokenizer == "words":
        return WORD.findall(text.replace(LINE_BREAK, " ").lower())
    if tokenizer == "subwords":
        return divide(text, _model(subwords))
    return list(text) if tokenizer == "characters" else text.split()


def text_of(tokens: list[str], tokenizer: Tokenizer, subwords: str | None = None) -> str:
    """A text in which `tokenize` finds these tokens again; where it is of characters, unknown ones are U+FFFD.

    Of subwords the text that they are the parts of, which may be divided otherwise.
    """
    if tokenizer == "characters":
        return "".join(UNKNOWN_CHARACTER if token == UNKNOWN else token for token in tokens)
    return join(tokens, _model(subwords)) if tokenizer == "subwords" else " ".join(tokens)


def prose(tokens: list[str], tokenizer: Tokenizer, subwords: str | None = None) -> str:
    """The text as people write it, which `words` are a part of: `a t-shirt, (red).`, not `a t - shirt , ( red ) .`"""
    text = text_of(tokens, tokenizer, subwords)
    return AFTER_SPACE.sub(r"\1", BEFORE_SPACE.sub(r"\1", text)) if tokenizer == "words" else text


def _model(subwords: str | None) -> str:
    assert subwords, "the checks refuse a card of subwords without their model"
    return subwords
