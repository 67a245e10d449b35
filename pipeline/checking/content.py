"""What holds of every dataset before anything is trained on it: schema, ranges, labels, duplicates between splits."""

from collections.abc import Iterator, Mapping

import numpy as np

from pipeline.checking.duplicates import Duplicates, find_duplicates
from pipeline.checking.findings import DIGITS, DataChecks, Finding, error, warning
from pipeline.checking.sequences import check_card, check_sequences, num_unchanging
from pipeline.checking.stability import allowed_psi, psi
from pipeline.checking.summary import label_counts
from pipeline.checking.texts import check_card_of_texts, check_cut, check_texts, num_unknown
from pipeline.checking.written import check_answers, check_card_of_answers, check_unknown, text_facts
from pipeline.dataset import SPLITS, Array, Arrays, Card, Dataset
from pipeline.formats.arrays import LAYOUTS
from pipeline.labels import names_of
from pipeline.text.tagging import scheme_of

LARGEST_BLANK_SHARE = 0.01
LARGEST_REPEATED_SHARE = 0.05
LARGEST_IMBALANCE = 10.0
NAMES_SHOWN = 5


def check_dataset(dataset: Dataset, imported: bool) -> DataChecks:
    """Everything that can be said of a dataset by itself. Where the schema is broken nothing else is measured.

    imported: collected by the user; examples that its splits share are a warning then, even where its card promises
    nothing.
    """
    card = dataset.card
    splits: Mapping[str, Arrays] = {split: dataset.split(split) for split in SPLITS if split in card.splits}
    found = DataChecks(dataset=card.name, examples={split: card.num_examples(split) for split in splits})
    schema = list(_schema(splits, card))
    if schema:
        return found.with_findings(schema)
    counts = {split: label_counts(arrays, card) for split, arrays in splits.items()} if names_of(card) else {}
    blank = {split: _num_blank(arrays, card) for split, arrays in splits.items()}
    duplicates = find_duplicates(splits)
    facts = (
        {split: text_facts(arrays) for split, arrays in splits.items()}
        if card.layout == "texts" or card.answers
        else {}
    )
    shifts = {split: round(psi(counts["train"], counts[split]), DIGITS) for split in SPLITS[1:]} if counts else {}
    measured = found.model_copy(
        update={
            "blank": blank,
            "duplicates": duplicates.counts(),
            "label_shift": shifts,
            "texts": facts,
            "names": names_of(card),
            "shares": {split: np.round(c / c.sum(), DIGITS).tolist() for split, c in counts.items()},
        }
    )
    counted = bool(counts) and not scheme_of(card.classes or ())  # of tags many are rare or not used, as it happens
    return measured.with_findings(
        [
            *_ranges(blank, duplicates, card),
            *check_cut(card),
            *check_unknown(facts),
            *(_labels(counts, card) if counted else ()),
            *_shifts(shifts, counts, card),
            *_repeated(duplicates, card),
            *_leaks(duplicates, card, imported),
        ]
    )


def _schema(splits: Mapping[str, Arrays], card: Card) -> Iterator[Finding]:
    """Where the arrays are not what the card says, or the card not what its layout needs."""
    remake = "make the dataset again, or mend its source or files"
    if set(card.splits) != set(SPLITS):
        yield error("schema", "card.json", "splits", ", ".join(card.splits), ", ".join(SPLITS), remake)
        return
    needed = {"x"} if card.layout == "symbols" else {"x", "y"}
    lacking = {split: arrays for split, arrays in splits.items() if not needed <= set(arrays)}
    for split, arrays in lacking.items():
        yield error("schema", split, "arrays", ", ".join(arrays), ", ".join(sorted(needed)), remake)
    if lacking:
        return
    if card.layout == "sequences":
        yield from check_card(card)
    elif card.layout == "texts":
        yield from check_card_of_texts(card)
    if card.answers:
        yield from check_card_of_answers(card)
    axes, fits, layout = LAYOUTS[card.layout]
    for split, arrays in splits.items():
        for name, values in arrays.items():
            facts = card.splits[split][name]
            found, recorded = f"{values.dtype.str} {list(values.shape)}", f"{facts.dtype} {facts.shape}"
            if found != recorded:
                yield error("schema", f"{split} {name}", "type and shape", found, recorded, remake)
            if len(values) != len(arrays["x"]) or not len(values):
                yield error("schema", f"{split} {name}", "examples", len(values), f"{len(arrays['x'])}, 1+", remake)
        x = arrays["x"]
        if x.ndim not in axes or not fits(x.dtype):
            yield error("schema", f"{split} x", f"{card.layout}", f"{x.dtype} {list(x.shape)}", layout, remake)
        elif card.layout not in ("symbols", "texts") and x.shape[1:] != card.example_shape():
            shapes = str(list(x.shape[1:])), str(list(card.example_shape()))
            yield error("schema", f"{split} x", "shape of an example", *shapes, remake)
        elif x.size:
            yield from _indices(split, arrays, card)


def _indices(split: str, arrays: Arrays, card: Card) -> Iterator[Finding]:
    """Labels, symbols and arrival times outside what the card names."""
    look = "mend the files or name what they hold"
    if card.layout in ("sequences", "texts"):
        of_sequences = card.layout == "sequences"
        labelled = card.answers is None
        misfits = list(check_sequences(split, arrays, card) if of_sequences else check_texts(split, arrays, labelled))
        yield from misfits
        if not misfits and card.classes:
            yield from _labels_named(split, arrays["y"], card, look)
    elif "y" in arrays and not card.answers:
        y, of_frames = arrays["y"], card.layout == "clips" and card.output_steps
        fits = y.shape == arrays["x"].shape[:2] if of_frames else y.ndim == 1
        if not fits or y.dtype.kind not in "ui":
            allowed = "integers [N, T], one a frame" if of_frames else "integers [N]"
            yield error("schema", f"{split} y", "labels", f"{y.dtype} {list(y.shape)}", allowed, look)
        else:
            yield from _labels_named(split, y, card, look)
    if card.answers:
        yield from check_answers(split, arrays, card)
    if "departure" in arrays:
        yield from _departures(split, arrays, card)
    highest = len(card.vocabulary or []) - 1
    largest = {"symbols": highest, "texts": highest, "arrival_times": card.num_steps or 0}.get(card.layout)
    if largest is not None and (found := int(arrays["x"].max())) > largest:
        row = int(np.argmax((arrays["x"] > largest).reshape(len(arrays["x"]), -1).any(axis=1)))
        what = {"symbols": "symbol", "texts": "token"}.get(card.layout, "arrival time")
        yield error("schema", f"{split} x", f"largest {what}, first too large in row {row}", found, largest, look)


def _departures(split: str, arrays: Arrays, card: Card) -> Iterator[Finding]:
    """Where pixels do not go out after they lit up."""
    x, departure = arrays["x"], arrays["departure"]
    where, look = f"{split} departure", "mend the source or the files"
    if departure.shape != x.shape or departure.dtype != x.dtype:
        found, allowed = (f"{values.dtype} {list(values.shape)}" for values in (departure, x))
        yield error("schema", where, "type and shape", found, f"{allowed}, as x", look)
        return
    wrong = ((departure < x) | (departure > (card.num_steps or 0))).reshape(len(x), -1).any(axis=1)
    if wrong.any():
        statistic = f"clips with a pixel that goes out before it lit up, first in row {int(np.argmax(wrong))}"
        yield error("schema", where, statistic, int(wrong.sum()), f"0 (up to {card.num_steps})", look)


def _labels_named(split: str, y: Array, card: Card, advice: str) -> Iterator[Finding]:
    num_classes = len(card.classes or [])
    if y.min() < 0 or y.max() >= num_classes:
        place = np.unravel_index(int(np.argmax((y < 0) | (y >= num_classes))), y.shape)
        allowed = f"0 to {num_classes - 1}"
        yield error("schema", f"{split} y", f"label in row {place[0]}", int(y[place]), allowed, advice)


def _num_blank(arrays: Arrays, card: Card) -> int:
    """Examples that are the same value all over, or at all steps; 0 for symbols, where that can be meant.

    Texts of which nothing is known.
    """
    if card.layout == "symbols":
        return 0
    if card.layout == "sequences":
        return num_unchanging(arrays)
    if card.layout == "texts":
        return num_unknown(arrays, card)
    flat = arrays["x"].reshape(len(arrays["x"]), -1)
    return int((flat.min(axis=1) == flat.max(axis=1)).sum())


def _ranges(blank: dict[str, int], duplicates: Duplicates, card: Card) -> Iterator[Finding]:
    known = {"sequences": "sequences in which nothing changes", "texts": "texts of which no token is known"}
    what = known.get(card.layout, "examples of one value all over")
    for split, num_blank in blank.items():
        num = card.num_examples(split)
        if num_blank == num:
            yield error("ranges", f"{split} x", what, num, 0, "no training can use them")
        elif num_blank > LARGEST_BLANK_SHARE * num:
            advice = "look at them; a file may be damaged"
            yield warning("ranges", f"{split} x", f"share of {what}", num_blank / num, LARGEST_BLANK_SHARE, advice)
    if 0 < duplicates.repeated == card.num_examples("train") - 1:
        yield error("ranges", "train x", "different examples", 1, "2 and more", "nothing can be learned from one input")


def _labels(counts: Mapping[str, Array], card: Card) -> Iterator[Finding]:
    """Classes that are missing or rare. Symbols may be: text has rare ones."""
    known, classes = counts["train"] > 0, names_of(card)
    unwelcome = error if card.classes else warning
    for split in SPLITS[1:]:
        unseen = (counts[split] > 0) & ~known
        if unseen.any():
            what = f"{'labels' if card.classes else 'symbols'} that train lacks"
            advice = "deal the examples out anew, so that train has some of each"
            yield unwelcome("labels", split, what, _shown(classes, unseen), "none", advice)
    if not card.classes:
        return
    if not known.all():
        advice = "add examples, or take the class out of the list"
        yield error("labels", "train", "classes without an example", _shown(classes, ~known), "none", advice)
    elif (ratio := _imbalance(counts["train"], card)) > LARGEST_IMBALANCE:
        advice = "accuracy will say little of the rare classes: gate on macro_f1"
        yield warning("labels", "train", "largest class / smallest class", ratio, LARGEST_IMBALANCE, advice)
    if (counts["test"] == 0).any():
        missing = _shown(classes, counts["test"] == 0)
        yield warning("labels", "test", "classes without an example", missing, "none", "no score says anything of them")


def _imbalance(counts: Array, card: Card) -> float:
    """How much commoner the commonest class is than the rarest. Of videos, without the background: in most of their
    frames nothing happens."""
    classes = counts[1:] if (card.layout == "clips" and card.output_steps) or card.windows else counts
    return float(classes.max() / classes.min())


def _shifts(shifts: dict[str, float], counts: Mapping[str, Array], card: Card) -> Iterator[Finding]:
    num = {split: card.num_examples(split) for split in SPLITS}
    for split, shift in shifts.items():
        allowed = allowed_psi(num["train"], num[split], len(counts["train"]))
        if shift > allowed:
            advice = "its scores say little about data like train's: deal the examples out anew"
            yield warning("labels", split, "shares of the labels against train (PSI)", shift, allowed, advice)


def _repeated(duplicates: Duplicates, card: Card) -> Iterator[Finding]:
    share = duplicates.repeated / card.num_examples("train")
    if share > LARGEST_REPEATED_SHARE:
        advice = "they count double; drop them if that is not meant"
        yield warning(
            "duplicates", "train x", "share of examples that repeat another", share, LARGEST_REPEATED_SHARE, advice
        )


def _leaks(duplicates: Duplicates, card: Card, imported: bool) -> Iterator[Finding]:
    for overlap in duplicates.overlaps:
        if overlap.rows and (card.disjoint or imported):
            row, earlier_row = overlap.rows
            found = f"examples that {overlap.earlier} holds too, first row {row} = {overlap.earlier} row {earlier_row}"
            advice = f"take them out of one of the two: {overlap.split} measures nothing on what was trained on"
            unwelcome = error if card.disjoint else warning
            yield unwelcome("duplicates", f"{overlap.split} x", found, overlap.count, 0, advice)


def _shown(classes: list[str], chosen: Array) -> str:
    found = [name for name, taken in zip(classes, chosen, strict=True) if taken]
    return ", ".join(found[:NAMES_SHOWN]) + (
        f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    )
