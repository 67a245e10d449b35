"""Pictures and clips with captions: what is shown is what is said, and nobody can know more than the ceilings say."""

import itertools
import math
from collections import Counter
from types import ModuleType

import numpy as np
import pytest
import sacrebleu

from pipeline.dataset import Array
from pipeline.datasets import journeys, scenes
from pipeline.grammar.captions import COLOURS, captions_of
from pipeline.views import VIEWS

NUMBER = 1200
SOURCES = [scenes, journeys]
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__.rpartition(".")[2])


def drawn(source: ModuleType, **options: int) -> dict[str, Array]:
    return dict(source.draw_split(source.Parameters(**options), NUMBER, np.random.default_rng(3)))


def first_writers(source: ModuleType, arrays: dict[str, Array]) -> list[list[str]]:
    """Captions in the first writer's words."""
    words = {second: first for first, second in source.SYNONYMS.items()}
    return [[words.get(word, word) for word in caption] for caption in captions_of(arrays, source.ANSWERS)]


def seen_in(scene: Array) -> list[tuple[str, str, str, float, float]]:
    """Size, colour, shape and centre of each thing in a picture without noise, found by looking: by its outline."""
    found = []
    lit = scene.max(axis=2) > 0
    halves = [np.s_[:16, :], np.s_[16:, :]] if lit.any(axis=1)[:16].any() and _gap(lit.any(axis=1)) else None
    if halves is None and _gap(lit.any(axis=0)):
        halves = [np.s_[:, :16], np.s_[:, 16:]]
    for half in halves or [np.s_[:, :]]:
        part = np.zeros_like(lit)
        part[half] = lit[half]
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height == width
        box = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        shape = "square" if box.all() else "triangle" if box[-1].all() else "circle"
        row, column = np.argwhere(part)[0]
        colour = next(
            name for name, rgb in COLOURS.items() if (scene[row, column] > 0).tolist() == [bool(c) for c in rgb]
        )
        found.append(({5: "small", 9: "", 13: "big"}[int(height)], colour, shape, rows.mean(), columns.mean()))
    return found


def _gap(lit: Array) -> bool:
    """Whether there are two things along an axis, with nothing between."""
    (places,) = np.nonzero(lit)
    return bool((np.diff(places) > 1).any())


def test_scenes_show_what_their_captions_say() -> None:
    arrays = drawn(scenes, noise=0)
    for scene, caption in zip(arrays["x"], first_writers(scenes, arrays), strict=True):
        things = seen_in(scene)
        names = {thing: ["a", *([thing[0]] if thing[0] else []), *thing[1:3]] for thing in things}
        if len(things) == 1:
            assert caption == names[things[0]]
            continue
        rank = {"small": 0, "": 1, "big": 2}
        upright = abs(things[0][3] - things[1][3]) > abs(things[0][4] - things[1][4])
        first, second = things if rank[things[0][0]] >= rank[things[1][0]] else things[::-1]
        before = first is things[0]
        relation = ["above" if before else "below"] if upright else ["left" if before else "right", "of"]
        assert caption == [*names[first], *relation, *names[second]]


def test_light_differs_by_the_noise_and_by_no_more() -> None:
    plain, noisy = (drawn(scenes, noise=noise)["x"].astype(int) for noise in (0, 40))
    assert set(np.unique(plain)) == {0, 255}
    dark, shining = noisy[plain == 0], noisy[plain == 255]
    assert (dark.min(), dark.max(), shining.min(), shining.max()) == (0, 40, 215, 255)
    assert drawn(scenes, noise=0)["y"].tolist() == drawn(scenes, noise=40)["y"].tolist()


def test_journeys_go_where_their_captions_say() -> None:
    arrays = drawn(journeys)
    description = journeys.describe(journeys.Parameters(), arrays)
    clips = VIEWS["clip_to_text"].inputs(arrays, description)
    assert clips.shape == (NUMBER, 8, 24, 24, 3)
    for clip, caption in zip(clips, first_writers(journeys, arrays), strict=True):
        corners, boxes, colours = [], set(), set()
        for frame in clip:
            rows, columns = np.nonzero(frame.max(axis=2))
            corners.append((rows.min(), columns.min()))
            boxes.add((int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1))
            assert len(rows) == math.prod(next(iter(boxes)))  # the whole rectangle, in every frame
            colours |= {
                tuple(frame[row, column].astype(int).tolist()) for row, column in zip(rows, columns, strict=True)
            }
        (extent,), (colour,) = boxes, colours
        steps = np.diff(np.array(corners), axis=0)
        (speed,) = set(np.abs(steps).sum(axis=1).tolist())
        ways = [_way(tuple(np.sign(step).tolist())) for step in steps]
        turns = [way for way, _ in itertools.groupby(ways)]
        assert caption[1:4] == _thing(extent, colour)
        assert caption[4:6] == ["moves", {1: "slowly", 2: "quickly"}[speed]]
        assert caption[6:] == " then ".join(turns).split()


def _way(step: tuple[int, int]) -> str:
    return {(-1, 0): "up", (1, 0): "down", (0, -1): "left", (0, 1): "right"}[step]


def _thing(extent: tuple[int, int], colour: tuple[int, ...]) -> list[str]:
    size = "big" if math.prod(extent) > 10 else "small"
    shape = "square" if extent[0] == extent[1] else "beam" if extent[0] < extent[1] else "pillar"
    return [size, next(name for name, rgb in COLOURS.items() if rgb == colour), shape]


@each_source
def test_words_are_all_used_and_captions_are_spelt_out(source: ModuleType) -> None:
    arrays = drawn(source)
    captions = captions_of(arrays, source.ANSWERS)
    assert {word for caption in captions for word in caption} == {*source.WORDS, *source.SYNONYMS.values()}
    spelt = [bytes(row).rstrip(b"\0").decode() for row in arrays["reference"]]
    assert spelt == [" ".join(caption) for caption in captions]
    assert arrays["y_length"].max() <= source.LONGEST == arrays["y"].shape[1]
    assert (arrays["y"][np.arange(source.LONGEST) >= arrays["y_length"][:, None]] == 0).all()
    if source is journeys:
        assert Counter(caption.count("then") for caption in captions).keys() == {0, 1, 2}


@each_source
def test_no_choice_of_words_scores_more_than_the_first_writers(source: ModuleType) -> None:
    """By brute force over all that can be written of each thing seen: each word with a synonym as either of the two."""
    arrays = drawn(source, first_writer=60)
    certain, references = first_writers(source, arrays), captions_of(arrays, source.ANSWERS)
    asked = [" ".join(caption) for caption in references]
    scores = {}
    for chosen in itertools.product((False, True), repeat=len(source.SYNONYMS)):
        others = {word: other for taken, (word, other) in zip(chosen, source.SYNONYMS.items(), strict=True) if taken}
        written = [" ".join(others.get(word, word) for word in caption) for caption in certain]
        exact = np.mean([one == another for one, another in zip(written, asked, strict=True)])
        scores[chosen] = (exact, sacrebleu.corpus_bleu(written, [asked]).score)
    first = scores[(False,) * len(source.SYNONYMS)]
    ceilings = source.describe(source.Parameters(first_writer=60), arrays).ceilings
    assert first == pytest.approx((ceilings["exact_match"], ceilings["bleu"]))
    for metric in (0, 1):
        assert max(each[metric] for each in scores.values()) == first[metric]


@each_source
def test_the_cross_entropy_is_that_of_the_two_writers(source: ModuleType) -> None:
    """The chance of each caption given what is seen: the sum over the writers who would have written it."""
    arrays = drawn(source, first_writer=80)
    nats, words = 0.0, 0
    for caption, certain in zip(captions_of(arrays, source.ANSWERS), first_writers(source, arrays), strict=True):
        by_second = [source.SYNONYMS.get(word, word) for word in certain]
        chance = 0.8 * (caption == certain) + 0.2 * (caption == by_second)
        nats, words = nats - math.log(chance), words + len(caption) + 1
    ceilings = source.describe(source.Parameters(first_writer=80), arrays).ceilings
    assert ceilings["cross_entropy"] == pytest.approx(nats / words, abs=1e-8)
    assert ceilings["perplexity"] == pytest.approx(math.exp(nats / words), abs=1e-7)
    alone = source.describe(source.Parameters(first_writer=100), drawn(source, first_writer=100)).ceilings
    assert alone == {"exact_match": 1, "bleu": pytest.approx(100), "cross_entropy": 0, "perplexity": 1}


@each_source
def test_who_does_not_look_is_far_below(source: ModuleType) -> None:
    description = source.describe(source.Parameters(), drawn(source))
    (blind,) = description.references.values()
    assert 0 < blind["exact_match"] < 0.05 and blind["bleu"] < 40 < description.ceilings["bleu"]
