"""What a word that is not known looks like: a name or not is often seen in how it is written.

Rare words of the training texts are learnt as one token for each shape, which then stands for words never seen: the
"unknown word signatures" of parsers (Klein & Manning, *Accurate Unlexicalized Parsing*, 2003), in their simplest form.
"""

import re

SIGN = "<unk:"  # how each begins
# A shape, and what is written so; the first that fits is taken.
SHAPES = (
    ("<unk:address>", re.compile(r"(?:https?:|www\.)|.+\.(?:com|org|net)\b", re.IGNORECASE)),
    ("<unk:@>", re.compile(r"@\w")),
    ("<unk:#>", re.compile(r"#\w")),
    ("<unk:digits>", re.compile(r"\W*\d[\d\W]*$")),
    ("<unk:letters-digits>", re.compile(r".*\d")),
    ("<unk:marks>", re.compile(r"[\W_]+$")),
)
CAPITALS, CAPITALISED, MIXED, SMALL = "<unk:CAPITALS>", "<unk:Capitalised>", "<unk:mIxed>", "<unk:small>"


def shape_of(word: str) -> str:
    """The token that stands for an unknown word."""
    for shape, pattern in SHAPES:
        if pattern.match(word):
            return shape
    if word.islower() or word.lower() == word.upper():  # some scripts have no capitals
        return SMALL
    if word.isupper() and len(word) > 1:
        return CAPITALS
    return CAPITALISED if word[0].isupper() and word[1:].lower() == word[1:] else MIXED
