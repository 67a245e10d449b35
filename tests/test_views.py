"""Each view on answers written out by hand, and what it takes from a user."""

import numpy as np
import pytest
from found import VARIANTS, Case, label

from pipeline.dataset import Array, Arrays, Description, Scaling, TextAnswers, Windows
from pipeline.errors import UserError
from pipeline.views import VIEWS, ExampleSpec, open_view

CLIPS = Description(text="clips", layout="arrival_times", classes=["a", "b"], num_steps=3)
IMAGES = Description(text="images", layout="images", classes=["a", "b", "c"])
SYMBOLS = Description(text="symbols", layout="symbols", vocabulary=["p", "q", "r"])
LABELLED_SYMBOLS = SYMBOLS.model_copy(update={"classes": ["no", "yes"]})
SCALING = Scaling(x_mean=[1.0, 10.0], x_scale=[2.0, 5.0], y_mean=[4.0], y_scale=[0.5])
STEPS = Description(text="steps", layout="sequences", features=["f", "g"], classes=["low", "high"], scaling=SCALING)
VALUES = STEPS.model_copy(update={"classes": None, "outputs": ["value"]})
ENDING = {"padded": True, "first_answer": 1}

ARRIVAL = np.array([[[0, 3], [1, 2]]], dtype=np.uint8)
# Sixteen pixels in their order: quadrant 0 is 0 1 4 5, quadrant 1 is 2 3 6 7, then 8 9 12 13 and 10 11 14 15.
LABELLED = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
SEQUENCES = np.array([[2, 0, 1, 2], [1, 0, 1, 1]], dtype=np.uint8)

# Two sequences of two features; the second ends after two steps, and what is stored beyond its end is zero.
MEASURED = np.array([[[3, 20], [1, 10], [-1, 0]], [[1, 5], [0, 0], [0, 0]]], dtype=np.float32)
LENGTHS = np.array([3, 2], np.int32)
ANSWERS = np.array([[[4.0], [5.0], [4.5]], [[3.0], [4.0], [0.0]]], dtype=np.float32)

# Two texts of three and of two tokens, of which one is not in the vocabulary.
TEXTS = Description(
    text="texts",
    layout="texts",
    classes=["no", "yes"],
    vocabulary=["<pad>", "<unk>", "a", "."],
    tokenizer="words",
    padded=True,
)
TOKENS = np.array([[2, 1, 3], [3, 2, 0]], np.uint16)

# What is to be written: "b c" and "b", of which the tokenizer knows no `c`.
ANSWERED = {
    "y": np.array([[4, 1, 0], [4, 0, 0]], np.uint16),
    "y_length": np.array([2, 1], np.int32),
    "reference": np.frombuffer("b cé\0b\0\0\0\0\0".encode(), np.uint8).reshape(2, 6),
}
WORDS = TextAnswers(vocabulary=["<pad>", "<unk>", "<s>", "</s>", "b"], tokenizer="spaces")
TRANSLATED = TEXTS.model_copy(update={"classes": None, "answers": WORDS})

STORED: dict[str, tuple[Description, Arrays]] = {
    "clips": (
        Description(text="clips", layout="clips", classes=["a", "b"]),
        {"x": np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2, 1) * 10, "y": np.array([0, 1], np.uint8)},
    ),
    "frames": (CLIPS, {"x": np.repeat(ARRIVAL, 3, 0), "y": np.array([0, 1, 1], np.uint8)}),
    "images": (IMAGES, {"x": np.arange(48, dtype=np.uint8).reshape(3, 4, 4) * 5, "y": np.array([0, 1, 2], np.uint8)}),
    "quadrants": (IMAGES, {"x": np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "y": np.array([2, 1, 2], np.uint8)}),
    "one_hot": (SYMBOLS, {"x": SEQUENCES}),
    "one_hot_to_label": (LABELLED_SYMBOLS, {"x": SEQUENCES, "y": np.array([1, 0], np.uint8)}),
    "next_symbol": (SYMBOLS, {"x": SEQUENCES}),
    "next_symbols": (SYMBOLS, {"x": SEQUENCES}),
    "sequence_to_label": (STEPS, {"x": MEASURED, "y": np.array([1, 0], np.uint8)}),
    "sequence_to_labels": (
        STEPS.model_copy(update=ENDING),
        {"x": MEASURED, "length": LENGTHS, "y": np.array([[0, 1, 1], [1, 0, 0]], np.uint8)},
    ),
    "sequence_to_value": (VALUES, {"x": MEASURED, "y": ANSWERS[:, 0]}),
    "sequence_to_values": (VALUES.model_copy(update=ENDING), {"x": MEASURED, "length": LENGTHS, "y": ANSWERS}),
    "tokens_to_label": (TEXTS, {"x": TOKENS, "length": LENGTHS, "y": np.array([1, 0], np.uint8)}),
    "tokens_to_labels": (
        TEXTS.model_copy(update={"tokenizer": "characters"}),
        {"x": TOKENS, "length": LENGTHS, "y": np.array([[0, 1, 1], [1, 0, 0]], np.uint8)},
    ),
    "text_to_text": (TRANSLATED, {"x": TOKENS, "length": LENGTHS, **ANSWERED}),
    "image_to_text": (
        IMAGES.model_copy(update={"classes": None, "answers": WORDS}),
        {"x": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 9, **ANSWERED},
    ),
    "clip_to_text": (
        CLIPS.model_copy(update={"classes": None, "answers": WORDS}),
        {"x": np.stack([ARRIVAL, ARRIVAL[:, ::-1]], axis=-1).repeat(2, 0), **ANSWERED}
        | {"departure": np.full((2, 2, 2, 2), 2, np.uint8)},
    ),
    "window_to_values": (
        VALUES.model_copy(update={"outputs": ["g"], "output_steps": 2}),
        {"x": MEASURED, "y": ANSWERS[:, :2]},
    ),
    "windows_to_segments": (
        STEPS.model_copy(update={"output_steps": 7, "windows": Windows(frames=3, stride=2)}),
        {"x": MEASURED, "y": np.array([[0, 0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 1, 1]], np.uint8)},
    ),
}
every_view = pytest.mark.parametrize("name", VIEWS)


def test_frames_show_a_pixel_from_its_arrival_on() -> None:
    clip = VIEWS["frames"].inputs({"x": ARRIVAL}, CLIPS)
    assert clip.shape == (1, 3, 2, 2, 1) and clip.dtype == np.float32
    assert clip[0, ..., 0].tolist() == [[[1, 0], [0, 0]], [[1, 0], [1, 0]], [[1, 0], [1, 1]]]
    assert VIEWS["frames"].spec(CLIPS, (2, 2)).input_shape == (3, 2, 2, 1)


def test_clips_lie_between_0_and_1_and_have_any_length() -> None:
    view, (description, arrays) = VIEWS["clips"], STORED["clips"]
    inputs = view.inputs(arrays, description)
    np.testing.assert_allclose(inputs, arrays["x"] / 255, rtol=1e-6)
    assert inputs.dtype == np.float32 and view.spec(description, (3, 2, 2, 1)).input_shape == (3, 2, 2, 1)
    longer = np.concatenate([arrays["x"]] * 2, axis=1)
    for given in (longer, longer[..., 0], longer / 255, longer.astype(float)):
        found = view.accept(given, description, (3, 2, 2, 1))
        np.testing.assert_allclose(found, longer / 255, rtol=1e-6)
        assert found.dtype == np.float32


def test_one_clip_is_told_from_several() -> None:
    """By its axes; where there is one channel, its axis may be missing."""
    view, grey, coloured = VIEWS["clips"], (5, 4, 6, 1), (5, 4, 6, 3)
    for found, rank in (((9, 4, 6, 1), 4), ((2, 9, 4, 6, 1), 4), ((9, 4, 6), 3), ((2, 9, 4, 6), 3)):
        assert view.raw_rank(grey, found) == rank
    assert view.raw_rank(coloured, (9, 4, 6, 3)) == view.raw_rank(coloured, (2, 9, 4, 6, 3)) == 4


def test_images_lie_between_0_and_1() -> None:
    pixels = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)
    found = VIEWS["images"].inputs({"x": pixels}, IMAGES)
    assert found.shape == (1, 2, 2, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, ..., 0], [[0, 0.2], [0.4, 1]], rtol=1e-6)
    coloured = np.stack([pixels, pixels // 2, pixels], axis=-1)
    assert VIEWS["images"].inputs({"x": coloured}, IMAGES).shape == (1, 2, 2, 3)
    assert VIEWS["images"].spec(IMAGES, (2, 2, 3)).input_shape == (2, 2, 3)


def test_quadrants_are_read_in_four_orders_side_by_side() -> None:
    found = np.rint(VIEWS["quadrants"].inputs({"x": LABELLED}, IMAGES) * 255).astype(int)
    assert found.shape == (1, 4, 8, 2, 1)
    quadrant = {0: [[0, 1], [4, 5]], 1: [[2, 3], [6, 7]], 2: [[8, 9], [12, 13]], 3: [[10, 11], [14, 15]]}
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0)]
    for step in range(4):
        expected = [row for order in orders for row in quadrant[order[step]]]
        assert found[0, step, ..., 0].tolist() == expected


def test_one_hot_targets_are_the_symbols_that_follow() -> None:
    arrays = {"x": SEQUENCES}
    inputs, targets = VIEWS["one_hot"].inputs(arrays, SYMBOLS), VIEWS["one_hot"].targets(arrays, SYMBOLS)
    assert inputs[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert targets.tolist() == [[0, 1, 2], [0, 1, 1]]
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int32)


def test_a_label_of_a_sequence_of_symbols_is_of_all_of_it() -> None:
    description, arrays = STORED["one_hot_to_label"]
    view = VIEWS["one_hot_to_label"]
    assert view.inputs(arrays, description)[1].argmax(axis=-1).tolist() == [1, 0, 1, 1]
    assert view.targets(arrays, description).tolist() == [1, 0]
    assert view.spec(description, (4,)) == ExampleSpec((None, 3), 2, num_steps=4)
    with pytest.raises(UserError, match="the sequences have no labels; allowed: one_hot"):
        view.spec(SYMBOLS, (4,))


def test_steps_are_scaled_and_padding_is_seen_as_no_number() -> None:
    description, arrays = STORED["sequence_to_values"]
    view = VIEWS["sequence_to_values"]
    # (3 - 1) / 2 and (20 - 10) / 5; real steps that happen to be zero stay numbers, the padding after them does not.
    nan = np.nan
    np.testing.assert_array_equal(
        view.inputs(arrays, description), [[[1, 2], [0, 0], [-1, -2]], [[0, -1], [-0.5, -2], [nan, nan]]]
    )
    np.testing.assert_array_equal(view.targets(arrays, description)[..., 0], [[nan, 2, 1], [nan, 0, nan]])
    stored = MEASURED.copy()
    np.testing.assert_array_equal(arrays["x"], stored)  # what is stored is not written to
    assert view.spec(description, (3, 2)) == ExampleSpec((None, 2), 1, "a value at each step", padded=True)


def test_labels_at_each_step_are_asked_for_from_the_first_answer_to_the_end() -> None:
    description, arrays = STORED["sequence_to_labels"]
    view = VIEWS["sequence_to_labels"]
    assert view.targets(arrays, description).tolist() == [[-1, 1, 1], [-1, 0, -1]]
    whole = {name: values for name, values in arrays.items() if name != "length"}
    unpadded = description.model_copy(update={"padded": False, "first_answer": 0})
    assert view.targets(whole, unpadded).tolist() == [[0, 1, 1], [1, 0, 0]]


def test_answers_after_the_sequence_are_all_asked_for() -> None:
    description = VALUES.model_copy(update={"output_steps": 2})
    arrays = {"x": MEASURED, "y": ANSWERS[:, :2]}
    view = VIEWS["sequence_to_values"]
    assert view.targets(arrays, description)[..., 0].tolist() == [[0, 2], [-2, 0]]
    assert view.spec(description, (3, 2)) == ExampleSpec(
        (None, 2), 1, "a value at each step", output_steps=2, num_steps=3
    )


def test_whatever_is_stored_beyond_the_end_is_padding() -> None:
    description, arrays = STORED["sequence_to_values"]
    view, other = VIEWS["sequence_to_values"], MEASURED.copy()
    other[1, 2] = 12345
    for found in (view.inputs, view.targets, view.as_given):
        np.testing.assert_array_equal(found(arrays | {"x": other}, description), found(arrays, description))


def test_texts_are_tokens_and_zeros_beyond_their_end() -> None:
    description, arrays = STORED["tokens_to_labels"]
    view, other = VIEWS["tokens_to_labels"], TOKENS.copy()
    other[1, 2] = 3  # whatever is stored there
    found = view.inputs(arrays | {"x": other}, description)
    assert found.tolist() == [[2, 1, 3], [3, 2, 0]] and found.dtype == np.int32
    assert view.targets(arrays, description).tolist() == [[0, 1, 1], [1, 0, -1]]
    assert VIEWS["tokens_to_label"].targets(STORED["tokens_to_label"][1], TEXTS).tolist() == [1, 0]
    expected = ExampleSpec((None,), 2, "a label at each step", padded=True, vocabulary_size=4)
    assert view.spec(description, (3,)) == expected


def test_texts_are_given_as_texts() -> None:
    label, labels = VIEWS["tokens_to_label"], VIEWS["tokens_to_labels"]
    assert label.as_given(STORED["tokens_to_label"][1], TEXTS).tolist() == ["a <unk> .", ". a"]
    characters, arrays = STORED["tokens_to_labels"]
    assert labels.as_given(arrays, characters).tolist() == ["a\ufffd.", ".a"]
    assert label.accept(np.array("A B."), TEXTS, (3,)).tolist() == [[2, 1, 3]]
    column = np.array([["A."], ["<pad> a"]], dtype=object)  # padding is no token that a text could hold
    assert label.accept(column, TEXTS, (9,)).tolist() == [[2, 3, 0, 0], [1, 1, 1, 2]]


WRITTEN = ("text_to_text", "image_to_text", "clip_to_text")


@pytest.mark.parametrize("name", WRITTEN)
def test_each_token_of_an_answer_is_learned_from_those_before_it(name: str) -> None:
    description, arrays = STORED[name]
    view = VIEWS[name]
    read, previous = view.training_inputs(arrays, description)
    np.testing.assert_array_equal(read, view.inputs(arrays, description))
    assert previous.tolist() == [[2, 4, 1, 0], [2, 4, 0, 0]] and previous.dtype == np.int32
    targets = view.targets(arrays, description)
    assert targets.tolist() == [[4, 1, 3, -1], [4, 3, -1, -1]] and targets.dtype == np.int32
    spoiled = {**arrays, "y": np.array([[4, 1, 4], [4, 4, 4]], np.uint16)}  # whatever is stored beyond the end
    np.testing.assert_array_equal(view.training_inputs(spoiled, description)[1], previous)
    np.testing.assert_array_equal(view.targets(spoiled, description), targets)
    spec = view.spec(description, arrays["x"].shape[1:])
    assert (spec.num_outputs, spec.asks) == (5, "a text")
    assert (spec.vocabulary_size, spec.padded) == ((4, True) if name == "text_to_text" else (None, False))


@pytest.mark.parametrize("name", WRITTEN)
def test_tokens_become_texts_up_to_their_end_and_the_texts_themselves_are_known(name: str) -> None:
    description, arrays = STORED[name]
    view = VIEWS[name]
    written = np.array([[4, 4, 3, 4], [4, 0, 4, 4], [4, 1, 4, 4], [3, 4, 4, 4]], np.int32)
    assert view.in_units(written, arrays["x"], description).tolist() == ["b b", "b", "b <unk> b b", ""]
    asked = view.targets(arrays, description)
    assert view.in_units(asked, arrays["x"], description).tolist() == ["b <unk>", "b"]
    assert view.references(arrays, description).tolist() == ["b cé", "b"]
    assert view.in_units(written[:0], arrays["x"], description).shape == (0,)


def test_what_is_asked_for_is_the_reference_where_the_data_has_no_other() -> None:
    description, arrays = STORED["sequence_to_values"]
    view = VIEWS["sequence_to_values"]
    expected = view.in_units(view.targets(arrays, description), arrays["x"], description)
    np.testing.assert_array_equal(view.references(arrays, description), expected)


def with_lengths(length: list[int], y_length: list[int]) -> dict[str, Array]:
    """Texts of these many tokens, stored 30 and 20 wide."""
    read, written = (np.array(lengths, np.int32) for lengths in (length, y_length))
    stored = {
        name: (np.arange(width) < lengths[:, None]).astype(np.uint16) * 4
        for name, width, lengths in (("x", 30, read), ("y", 20, written))
    }
    return {**stored, "length": read, "y_length": written}


@pytest.mark.parametrize(
    ("length", "y_length", "widths"),
    [([1, 3], [1, 2], (8, 8)), ([8, 3], [7, 2], (8, 8)), ([9, 3], [8, 2], (16, 16)), ([30, 3], [2, 20], (30, 21))],
)
def test_batches_are_as_wide_as_their_longest_text_needs(
    length: list[int], y_length: list[int], widths: tuple[int, int]
) -> None:
    """In multiples of eight, what is to be written being one token longer; never wider than what is stored."""
    view, arrays = VIEWS["text_to_text"], with_lengths(length, y_length)
    read, previous = view.training_inputs(view.trimmed(arrays), TRANSLATED)
    assert (
        (read.shape[1], previous.shape[1])
        == widths
        == (read.shape[1], view.targets(view.trimmed(arrays), TRANSLATED).shape[1])
    )
    assert np.count_nonzero(read) == sum(length) and np.count_nonzero(previous) == sum(y_length) + 2


def test_labels_of_tokens_are_trimmed_with_them_and_other_labels_and_pictures_are_not() -> None:
    arrays = with_lengths([3, 5], [1, 1])
    label, labels = VIEWS["tokens_to_label"], VIEWS["tokens_to_labels"]
    assert labels.trimmed({**arrays, "y": arrays["x"]})["y"].shape == (2, 8)
    assert label.trimmed({**arrays, "y": np.array([0, 1])})["y"].tolist() == [0, 1]
    _, pictures = STORED["image_to_text"]
    trimmed = VIEWS["image_to_text"].trimmed({**pictures, **with_lengths([1, 1], [3, 5]), "x": pictures["x"]})
    assert trimmed["y"].shape == (2, 7) and trimmed["x"].shape == pictures["x"].shape
    assert VIEWS["images"].trimmed(STORED["images"][1]) is STORED["images"][1]


def test_examples_are_alike_by_what_is_read_and_then_by_what_is_written() -> None:
    arrays = with_lengths([9, 3, 16, 8, 20], [4, 9, 3, 2, 1])
    lengths = VIEWS["text_to_text"].lengths(arrays)
    assert lengths is not None and np.argsort(lengths).tolist() == [3, 1, 2, 0, 4]
    pictures = VIEWS["image_to_text"].lengths(arrays)
    assert pictures is not None and pictures.tolist() == arrays["y_length"].tolist()
    assert VIEWS["tokens_to_label"].lengths(arrays) is arrays["length"]
    assert VIEWS["images"].lengths(arrays) is None


def test_pixels_with_channels_go_out_again_where_departures_are_stored() -> None:
    arrays = {"x": np.array([[[[0, 3], [1, 2]]]], np.uint8), "departure": np.array([[[[1, 3], [3, 3]]]], np.uint8)}
    clip = VIEWS["frames"].inputs(arrays, CLIPS)
    assert clip.shape == (1, 3, 1, 2, 2) and clip.dtype == np.float32
    assert clip[0, :, 0, 0].tolist() == [[1, 0], [0, 0], [0, 0]] and clip[0, :, 0, 1].tolist() == [
        [0, 0],
        [1, 0],
        [1, 1],
    ]
    assert VIEWS["frames"].spec(CLIPS, (1, 2, 2)).input_shape == (3, 1, 2, 2)


def test_texts_are_lower_cased_where_the_dataset_is() -> None:
    cased = TEXTS.model_copy(update={"tokenizer": "spaces"})
    view = VIEWS["tokens_to_label"]
    assert view.accept(np.array("A ."), cased, (3,)).tolist() == [[1, 3]]
    lowered = cased.model_copy(update={"lowercase": True})
    assert view.accept(np.array("A ."), lowered, (3,)).tolist() == [[2, 3]]


def test_a_long_text_is_read_as_far_as_in_training_and_the_user_is_told_so() -> None:
    long = np.array("a . a . a .")
    label, labels = VIEWS["tokens_to_label"], VIEWS["tokens_to_labels"]
    assert label.accept(long, TEXTS, (3,)).tolist() == [[2, 3, 2]]
    assert label.remark(long, TEXTS, (3,)) == "6 tokens, of which the first 3 are read"
    assert labels.accept(long, TEXTS, (3,)).shape == (1, 6)  # each token is to have its label
    assert labels.remark(long, TEXTS, (3,)) is None


def test_next_symbols_are_indices_and_the_targets_all_that_follow_or_the_last() -> None:
    arrays = {"x": SEQUENCES}
    for name, targets in (("next_symbols", [[0, 1, 2], [0, 1, 1]]), ("next_symbol", [2, 1])):
        view = VIEWS[name]
        inputs = view.inputs(arrays, SYMBOLS)
        assert inputs.tolist() == SEQUENCES[:, :-1].tolist() and inputs.dtype == np.int32
        assert view.targets(arrays, SYMBOLS).tolist() == targets
        expected = ExampleSpec((None,), 3, view.asks, num_steps=3, vocabulary_size=3, later_steps_answer=True)
        assert view.spec(SYMBOLS, (4,)) == expected


def test_symbols_are_given_as_characters_or_with_spaces_between() -> None:
    view = VIEWS["next_symbols"]
    for names, text, symbols in ((["<unk>", "a", " "], "a? a", [1, 0, 2, 1]), (["s1", "s2"], "s2 s1", [1, 0])):
        description = SYMBOLS.model_copy(update={"vocabulary": names})
        assert view.accept(np.array(text), description, (9,)).tolist() == [symbols]
        given = view.as_given({"x": np.array([[*symbols, 0]])}, description)
        assert view.accept(given, description, (9,)).tolist() == [symbols]


@pytest.mark.parametrize("name", ["one_hot", "next_symbols"])
def test_symbols_before_the_first_answer_are_not_asked_for(name: str) -> None:
    later = SYMBOLS.model_copy(update={"first_answer": 2})
    assert VIEWS[name].targets({"x": SEQUENCES}, later).tolist() == [[-1, -1, 2], [-1, -1, 1]]


def test_labels_and_values_have_views_of_their_own() -> None:
    with pytest.raises(
        UserError, match="the dataset holds values; allowed views: sequence_to_value, sequence_to_values"
    ):
        VIEWS["sequence_to_labels"].spec(VALUES, (3, 2))
    with pytest.raises(
        UserError, match="the dataset holds labels; allowed views: sequence_to_label, sequence_to_labels"
    ):
        VIEWS["sequence_to_value"].spec(STEPS, (3, 2))


@every_view
def test_what_a_user_gives_becomes_what_was_trained_on(name: str) -> None:
    description, arrays = STORED[name]
    view, shape = VIEWS[name], arrays["x"].shape[1:]
    inputs, given = view.inputs(arrays, description), view.as_given(arrays, description)
    spec = view.spec(description, shape)
    assert all(want in (None, found) for want, found in zip(spec.input_shape, inputs.shape[1:], strict=True))
    np.testing.assert_array_equal(view.accept(given, description, shape), inputs)
    np.testing.assert_array_equal(view.accept(given[0], description, shape), inputs[:1])
    assert view.raw_rank(shape, given[0].shape) == given[0].ndim
    assert view.accept(given, description, shape).dtype == (np.int32 if view.shows == "a text" else np.float32)
    assert view.remark(given[0], description, shape) is None


@pytest.mark.parametrize("case", VARIANTS, ids=label)
def test_stored_examples_of_every_dataset_can_be_given_again(case: Case) -> None:
    arrays, card = case.examples(5), case.dataset.card
    inputs = case.view.inputs(arrays, card)
    accepted = case.view.accept(case.view.as_given(arrays, card), card, card.example_shape())
    longest = inputs.shape[1] if card.layout != "texts" else int(arrays["length"].max())  # padded as far as they need
    np.testing.assert_array_equal(accepted, inputs[:, :longest])
    targets = case.view.targets(arrays, card)
    assert len(targets) == len(inputs)
    some_are_not_asked_for = card.first_answer or card.padded or card.answers
    if "value" in case.spec.asks:
        assert targets.dtype == np.float32 and targets.shape[-1] == case.spec.num_outputs
        asked = np.isfinite(targets)
    else:
        assert targets.dtype == np.int32
        asked = targets >= 0
        assert targets.min() >= (-1 if some_are_not_asked_for else 0)
        assert targets.max() < case.spec.num_outputs
    assert asked.any() and (asked.all() or some_are_not_asked_for)


def test_other_forms_of_the_same_example_are_accepted() -> None:
    frames, images = VIEWS["frames"], VIEWS["images"]
    clip = frames.inputs({"x": ARRIVAL}, CLIPS)
    np.testing.assert_array_equal(frames.accept(clip, CLIPS, (2, 2)), clip)
    assert frames.accept(np.zeros((7, 2, 2)), CLIPS, (2, 2)).shape == (1, 7, 2, 2, 1)
    pixels = LABELLED * 17
    expected = images.inputs({"x": pixels}, IMAGES)
    np.testing.assert_allclose(images.accept(pixels / 255, IMAGES, (4, 4)), expected, atol=1e-7)
    np.testing.assert_array_equal(images.accept(pixels[..., None], IMAGES, (4, 4)), expected)
    np.testing.assert_array_equal(images.accept(pixels.astype(float), IMAGES, (4, 4)), expected)


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("frames", np.zeros((3, 2, 5)), r"\[3, 2, 5\].*allowed: numbers \[any x 2 x 2\]"),
        ("frames", np.full((3, 2, 2), np.nan), "NaN or infinity"),
        ("clips", np.zeros((3, 2, 5, 1)), r"\[3, 2, 5, 1\].*allowed: numbers \[any x 2 x 2 x 1\]"),
        ("clips", np.full((3, 2, 2), 256), "pixel values from 256 to 256; allowed: 0 to 255"),
        ("clips", np.full((3, 2, 2), np.nan), "NaN or infinity"),
        ("images", np.zeros((4, 5)), r"allowed: numbers \[4 x 4\]"),
        ("images", np.full((4, 4), np.inf), "NaN or infinity"),
        ("images", np.full((4, 4), 256), "pixel values from 256 to 256; allowed: 0 to 255"),
        ("images", np.full((4, 4), -1), "pixel values from -1"),
        ("quadrants", np.full((2, 4, 4), 300.0), "allowed: 0 to 255"),
        ("images", np.full((4, 4), "a"), "allowed: numbers"),
        ("one_hot", np.array([0, 3]), "allowed: integers 0 to 2"),
        ("one_hot", np.array([-1, 0]), "allowed: integers 0 to 2"),
        ("one_hot", np.array([0.5, 1]), "allowed: integers"),
        ("one_hot", np.zeros((2, 2, 2), int), r"allowed: numbers \[any\]"),
        ("one_hot_to_label", np.array([0, 3]), "allowed: integers 0 to 2"),
        ("next_symbols", np.array([0, 2]), r"\[2\] of int64; allowed: a text, or several"),
        ("next_symbols", np.array("pqdd"), "found the symbols .d.; allowed: p, q, r"),
        ("next_symbols", np.array(["pq", "pqr"]), "found texts of 2, 3 symbols; allowed: one length at a time"),
        ("next_symbol", np.array(""), "found texts of 0 symbols; allowed: .* of 1 symbol and more"),
        ("sequence_to_label", np.zeros((3, 5)), r"\[3, 5\].*allowed: numbers \[any x 2\]"),
        ("sequence_to_value", np.full((3, 2), np.nan), "NaN or infinity"),
        ("sequence_to_values", np.full((3, 2), np.inf), "NaN or infinity"),
        ("sequence_to_values", np.array([[1, 2], [np.nan, 2], [1, 2]]), "NaN or infinity"),
        ("sequence_to_values", np.array([[1, 2], [np.nan, np.nan], [1, 2]]), "goes on after a step of NaN"),
        ("sequence_to_values", np.full((2, 3, 2), np.nan), "a sequence is empty"),
        ("sequence_to_values", np.zeros((0, 2)), "which is empty"),
        ("sequence_to_labels", np.full((3, 2), "a"), "allowed: numbers"),
        ("tokens_to_label", np.array("  "), "the text '  ' is empty; allowed: at least one token"),
        ("tokens_to_label", np.array(["a", "<br />"]), "the text '<br />' is empty"),
        ("tokens_to_label", np.array([1, 2]), r"\[2\] of int64; allowed: a text, or several"),
        ("tokens_to_label", np.full((2, 2), "a"), "allowed: a text, or several"),
        ("tokens_to_labels", np.array([], str), "found no text"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(name: str, raw: np.ndarray, message: str) -> None:
    description, arrays = STORED[name]
    with pytest.raises(UserError, match=message):
        VIEWS[name].accept(raw, description, arrays["x"].shape[1:])


def test_a_view_must_suit_the_layout() -> None:
    with pytest.raises(UserError, match=r"view 'frames' reads arrival_times.*allowed: images, quadrants"):
        open_view("frames", IMAGES, "here")


def test_a_view_must_ask_for_what_the_dataset_has() -> None:
    with pytest.raises(
        UserError, match="asks for one label, and the dataset's answers are texts; allowed: text_to_text"
    ):
        open_view("tokens_to_label", TRANSLATED, "here")
    refused = (
        "here: view 'image_to_text' asks for a text, and the dataset's answers are no texts; allowed: images, quad"
    )
    with pytest.raises(UserError, match=refused):
        open_view("image_to_text", IMAGES, "here")
    assert open_view("text_to_text", TRANSLATED, "here") is VIEWS["text_to_text"]
    with pytest.raises(UserError, match="unknown view 'frame'; did you mean 'frames'"):
        open_view("frame", CLIPS, "here")
    with pytest.raises(UserError, match="must be even"):
        VIEWS["quadrants"].spec(IMAGES, (5, 4))


def test_every_view_is_tried_here() -> None:
    assert set(STORED) == set(VIEWS)
