"""How tags mark spans: schemes, what a scheme allows, one scheme turned into another, and the spans that tags mean.

A tag is `O`, outside of every span, or a letter and the span's type: `B-place`. IOB1 (Ramshaw & Marcus 1995) writes
I- within and at the beginning of spans, and B- only where a span follows at once on one of its type; BIO (IOB2, Tjong
Kim Sang & Veenstra 1999) begins every span with B-; IOBES (also BILOU) also ends every span with E-, and writes S- for
a span of one token.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["bio", "iob1", "iobes"]
OUTSIDE = "O"
LETTERS: dict[str, str] = {"bio": "BI", "iob1": "IB", "iobes": "BIES"}
BOUNDARY = "the boundary of the sentence"
PAIR_SCORES = "pair_scores"  # what an exported graph calls scores of pairs of tags, which are still to be decoded


@dataclass(frozen=True)
class Span:
    """A span of tokens from `start` up to, without, `end`."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class Allowed:
    """Which tags may begin a sentence [K], which may follow which [K][K], and which may end it [K]."""

    first: list[bool]
    pairs: list[list[bool]]
    last: list[bool]


def tag_names(types: Iterable[str], scheme: Scheme) -> list[str]:
    """All tags of a scheme for these types, `O` first."""
    return [OUTSIDE, *(f"{letter}-{kind}" for kind in types for letter in LETTERS[scheme])]


def divided(tag: str) -> tuple[str, str]:
    """A tag's letter and the type of its span; for `O` that, and nothing. Raises `ValueError` for what is no tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, dash, kind = tag.partition("-")
    if not (dash and kind and letter in {*"BIES"}):
        raise ValueError(f"tag {tag!r}; allowed: O, or a letter, '-' and a type, such as B-place")
    return letter, kind


def scheme_of(tags: Iterable[str]) -> Scheme | None:
    """BIO or IOBES by the letters of these tags, the names of all that there are; None where they mark no spans."""
    letters = set()
    for tag in tags:
        try:
            letters.add(divided(tag)[0])
        except ValueError:
            return None
    if OUTSIDE not in letters or len(letters) == 1:
        return None
    return "iobes" if letters & {*"ES"} else "bio"


def may_follow(before: str | None, tag: str | None, scheme: Scheme) -> bool:
    """Whether a scheme lets `tag` follow `before`; None stands for the boundary of the sentence."""
    letter, kind = divided(tag) if tag else (OUTSIDE, "")
    last, last_kind = divided(before) if before else (OUTSIDE, "")
    inside, same = last != OUTSIDE, kind == last_kind
    if scheme == "bio":
        return letter != "I" or (inside and same)
    if scheme == "iob1":
        return letter != "B" or (inside and same)
    is_open = last in {*"BI"}
    return (letter in {*"IE"} and same) if is_open else letter not in {*"IE"}


def allowed_pairs(tags: Sequence[str], scheme: Scheme) -> Allowed:
    """What a scheme allows among `tags`, in their order."""
    return Allowed(
        first=[may_follow(None, tag, scheme) for tag in tags],
        pairs=[[may_follow(before, tag, scheme) for tag in tags] for before in tags],
        last=[may_follow(tag, None, scheme) for tag in tags],
    )


def first_error(tags: Sequence[str], scheme: Scheme) -> tuple[int, str] | None:
    """The place of the first tag that does not belong to the scheme, or may not stand there, and why; None if none."""
    for place, tag in enumerate(tags):
        try:
            letter, _ = divided(tag)
        except ValueError as error:
            return place, str(error)
        if letter not in {OUTSIDE, *LETTERS[scheme]}:
            return place, f"tag {tag!r} is not of the scheme {scheme}; allowed: {_letters(scheme)}"
        before = tags[place - 1] if place else None
        if not may_follow(before, tag, scheme):
            return place, f"tag {tag!r} after {before or BOUNDARY}, which the scheme {scheme} does not allow"
    if tags and not may_follow(tags[-1], None, scheme):
        return len(tags) - 1, f"tag {tags[-1]!r} at the end of a sentence, which the scheme {scheme} does not allow"
    return None


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of tags of any scheme, well formed or not: as the CoNLL evaluation script reads them.

    A span begins with B- or S-, or with whatever else follows on another type, on E- or S-, or on nothing.
    """
    found: list[Span] = []
    start, last, last_kind = 0, OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        letter, kind = divided(tag)
        begins = letter in {*"BS"} or kind != last_kind or last in {*"ES"}
        if begins and last != OUTSIDE:
            found.append(Span(last_kind, start, place))
        if begins:
            start = place
        last, last_kind = letter, kind
    return found


def span_counts(true: Sequence[str], found: Sequence[str]) -> tuple[int, int, int]:
    """How many of the spans found are right, in type and in both ends; how many were found; how many there are."""
    actual, answered = spans(true), spans(found)
    return len({*actual} & {*answered}), len(answered), len(actual)


def tags_of(marked: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of `length` tokens with these spans, none of which overlap."""
    tags = [OUTSIDE] * length
    for span in marked:
        letters = ["I"] * (span.end - span.start)
        touches = span.start > 0 and tags[span.start - 1].endswith(f"-{span.type}")
        if scheme != "iob1" or touches:
            letters[0] = "B"
        if scheme == "iobes":
            letters[-1] = "S" if len(letters) == 1 else "E"
        tags[span.start : span.end] = [f"{letter}-{span.type}" for letter in letters]
    return tags


def _letters(scheme: Scheme) -> str:
    return ", ".join([OUTSIDE, *(f"{letter}-<type>" for letter in LETTERS[scheme])])
