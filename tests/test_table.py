"""Tables become sequences: which rows an example has and what is asked of it, on frames small enough to count."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import FORECAST, GROUPED, SERIES, SIZES, WHOLE, read_frame, refused, write

from pipeline.checking.content import check_dataset
from pipeline.checking.drift import compare
from pipeline.checking.stability import PSI_LIMIT
from pipeline.checking.summary import summarise
from pipeline.dataset import SPLITS, Arrays, Dataset
from pipeline.errors import UserError
from pipeline.formats.table import Parameters, read
from pipeline.stages.ingest import ingest
from pipeline.tables.scaling import mean_and_spread
from pipeline.views import open_view


def rows_of(arrays: Arrays) -> list[list[int]]:
    """The numbers that stand in the only feature of each example, without padding."""
    lengths = arrays.get("length", np.full(len(arrays["x"]), arrays["x"].shape[1]))
    return [x[:length, 0].astype(int).tolist() for x, length in zip(arrays["x"], lengths, strict=True)]


# ---- which rows, and what is asked ----------------------------------------------------------------------------------


def test_windows_go_through_each_split_and_stay_in_it(tmp_path: Path) -> None:
    splits, description = read_frame(tmp_path, SERIES, FORECAST, horizon=1)
    assert rows_of(splits["train"]) == [[row, row + 1] for row in range(10)]
    assert splits["train"]["y"].tolist() == [[(row + 2) ** 2] for row in range(10)]
    assert rows_of(splits["validation"]) == [[12, 13], [13, 14]]
    assert rows_of(splits["test"]) == [[16, 17], [17, 18]] and splits["test"]["y"].tolist() == [[18**2], [19**2]]
    assert {array.dtype for arrays in splits.values() for array in arrays.values()} == {np.dtype(np.float32)}
    assert (description.layout, description.features, description.outputs) == ("sequences", ["row"], ["square"])
    assert (description.classes, description.output_steps, description.disjoint) == (None, None, False)


@pytest.mark.parametrize("stride", [1, 2, 3, 12])
def test_the_stride_is_between_the_beginnings(tmp_path: Path, stride: int) -> None:
    splits, _ = read_frame(tmp_path, SERIES, FORECAST, window={"steps": 3, "stride": stride})
    assert rows_of(splits["train"]) == [[row, row + 1, row + 2] for row in range(0, 10, stride)]
    assert splits["train"]["y"][:, 0].tolist() == [(row + 2) ** 2 for row in range(0, 10, stride)]


def test_what_is_asked_of_a_window(tmp_path: Path) -> None:
    first = {}
    cases: dict[str, dict[str, Any]] = {
        "ahead": {"answer": "value", "horizon": 2},
        "at each step": {"answer": "values"},
        "at each step, ahead": {"answer": "values", "horizon": 1},
        "the next, at once": {"answer": "value", "future": 2},
        "the next, one by one": {"answer": "values", "future": 2},
    }
    for case, changed in cases.items():
        targets = ["square", "row"] if changed.get("horizon") or changed.get("future") else ["square"]
        splits, description = read_frame(tmp_path, SERIES, FORECAST, targets=targets, **changed)
        first[case] = (splits["train"]["y"][0].tolist(), description.outputs, description.output_steps)
    assert first == {
        "ahead": ([9, 3], ["square", "row"], None),
        "at each step": ([[0], [1]], ["square"], None),
        "at each step, ahead": ([[1, 1], [4, 2]], ["square", "row"], None),
        "the next, at once": ([4, 2, 9, 3], ["square+1", "row+1", "square+2", "row+2"], None),
        "the next, one by one": ([[4, 2], [9, 3]], ["square", "row"], 2),
    }


def test_labels_of_windows(tmp_path: Path) -> None:
    labels = FORECAST | {"targets": ["even"]}
    splits, description = read_frame(tmp_path, SERIES, labels, answer="label")
    assert description.classes == ["no", "yes"] and description.outputs is None
    assert splits["train"]["y"].dtype == np.uint8 and splits["train"]["y"].tolist() == [0, 1] * 5 + [0]
    splits, description = read_frame(tmp_path, SERIES, labels, answer="labels", classes=["yes", "no"])
    assert description.classes == ["yes", "no"] and splits["test"]["y"].tolist() == [[0, 1], [1, 0], [0, 1]]
    splits, description = read_frame(tmp_path, SERIES, labels, answer="labels", future=2)
    assert description.output_steps == 2 and splits["test"]["y"].tolist() == [[1, 0]]


def test_whole_numbers_are_labels_in_their_order(tmp_path: Path) -> None:
    frame = SERIES.assign(even=[10, 9] * 10)
    splits, description = read_frame(tmp_path, frame, FORECAST, targets=["even"], answer="label")
    assert description.classes == ["9", "10"] and splits["validation"]["y"].tolist() == [0, 1, 0]


def test_whole_groups_are_sequences_of_their_own_length(tmp_path: Path) -> None:
    splits, description = read_frame(tmp_path, GROUPED, WHOLE)
    found = {x[0]: (x, int(y)) for arrays in splits.values() for x, y in zip(rows_of(arrays), arrays["y"], strict=True)}
    expected = {10 * p: ([10 * p + s for s in range(size)], size % 2) for p, size in enumerate(SIZES.values())}
    assert found == expected and description.classes == ["even", "odd"]
    for arrays in splits.values():
        assert arrays["x"].shape[1:] == (7, 1) and arrays["length"].dtype == np.int32
        for x, length in zip(arrays["x"], arrays["length"], strict=True):
            assert not x[length:].any()
    assert [len(splits[split]["x"]) for split in SPLITS] == [4, 1, 1]


def test_each_step_of_whole_groups(tmp_path: Path) -> None:
    splits, _ = read_frame(tmp_path, GROUPED, WHOLE, targets=["x"], answer="values", horizon=1)
    for arrays in splits.values():
        for x, y, length in zip(arrays["x"], arrays["y"], arrays["length"], strict=True):
            np.testing.assert_array_equal(y[:length], x[:length] + 1)
            assert not y[length:].any()
    lengths = sorted(int(length) for arrays in splits.values() for length in arrays["length"])
    assert lengths == [size - 1 for size in SIZES.values()]


def test_groups_may_take_turns_in_the_file(tmp_path: Path) -> None:
    shuffled = GROUPED.sort_values(["x", "name"], key=lambda column: column % 10 if column.name == "x" else column)
    splits, _ = read_frame(tmp_path, shuffled, WHOLE)
    assert sorted(sequence for arrays in splits.values() for sequence in rows_of(arrays)) == [
        [10 * place + step for step in range(size)] for place, size in enumerate(SIZES.values())
    ]


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "second", "last"])
@pytest.mark.parametrize("rule", ["drop_sequences", "mean", "forward_fill"])
def test_the_answer_of_a_whole_group_may_stand_in_any_of_its_rows(tmp_path: Path, place: int, rule: str) -> None:
    step = GROUPED.groupby("name").cumcount()
    size = GROUPED["name"].map(SIZES)
    sparse = GROUPED.assign(kind=GROUPED["kind"].where(step == (place if place >= 0 else size - 1)))
    splits, description = read_frame(tmp_path, sparse, WHOLE, missing=rule)
    expected, _ = read_frame(tmp_path, GROUPED, WHOLE)
    assert "left out" not in description.text
    for split in SPLITS:
        np.testing.assert_array_equal(splits[split]["y"], expected[split]["y"])
    nowhere = sparse.assign(kind=sparse["kind"].where(sparse["name"] != "a"))
    assert "1 left out" in read_frame(tmp_path, nowhere, WHOLE, missing=rule)[1].text


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"answer": "values", "targets": ["row"], "horizon": 1}, True),
        ({"answer": "values", "inputs": ["row", "square"], "horizon": 2}, True),
        ({"answer": "values", "targets": ["square"], "horizon": 1}, False),  # of which the inputs show nothing
        ({"answer": "values", "targets": ["row"], "future": 2}, False),  # after all that is read
        ({"answer": "value", "targets": ["row"], "horizon": 1}, False),
    ],
)
def test_the_card_says_whether_later_steps_show_the_answers(
    tmp_path: Path, changed: dict[str, Any], expected: bool
) -> None:
    _, description = read_frame(tmp_path, SERIES, FORECAST, **changed)
    assert description.later_steps_answer is expected
    view = open_view("sequence_to_values" if changed["answer"] == "values" else "sequence_to_value", description, "")
    assert view.spec(description, (2, 1)).later_steps_answer is expected


def test_large_numbers_that_float32_tells_apart_are_taken(tmp_path: Path) -> None:
    for frame in (
        SERIES.assign(row=1_000_000 + SERIES["row"]),
        SERIES.assign(row=16_000_000_000),  # constant: there is nothing to tell apart
        SERIES.assign(row=1e30 * SERIES["row"]),
    ):
        splits, _ = read_frame(tmp_path, frame, FORECAST)
        assert len(np.unique(splits["train"]["x"])) == frame["row"][:12].nunique()


# ---- cells ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_numbers_that_begin_with_a_zero_are_names(tmp_path: Path, form: str) -> None:
    frame = SERIES.assign(even=["01", "02"] * 10)
    asked = FORECAST | {"targets": ["even"], "answer": "label"}
    for classes in (None, ["01", "02"]):
        splits, description = read(
            write(tmp_path, frame, form), Parameters.model_validate(asked | {"classes": classes})
        )
        assert description.classes == ["01", "02"] and splits["test"]["y"].tolist() == [1, 0, 1]
    shown = FORECAST | {"inputs": ["even"], "categories": {"even": ["02", "01"]}}
    splits, description = read(write(tmp_path, frame, form), Parameters.model_validate(shown))
    assert description.features == ["even=02", "even=01"] and splits["test"]["x"][0].tolist() == [[0, 1], [1, 0]]
    declared_as_numbers = asked | {"classes": ["1", "2"]}
    assert read(write(tmp_path, frame, form), Parameters.model_validate(declared_as_numbers))[1].classes == ["1", "2"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("hole", [False, True], ids=["whole", "with a hole"])
def test_large_whole_numbers_are_names_of_their_own(tmp_path: Path, form: str, hole: bool) -> None:
    labels = pd.array([2**53 + row % 4 for row in range(20)], dtype="Int64")
    labels[7] = pd.NA if hole else labels[7]
    asked = FORECAST | {"targets": ["even"], "answer": "label", "missing": "drop_sequences"}
    path = write(tmp_path, SERIES.assign(even=labels), form)
    splits, description = read(path, Parameters.model_validate(asked))
    assert description.classes == [str(2**53 + number) for number in range(4)]
    assert splits["test"]["y"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", [str, float, int])
def test_categories_of_parquet_are_cells_as_any(tmp_path: Path, kind: type) -> None:
    """pandas gives them a type of its own, in which NA and an empty text would be two more classes."""
    values = {str: ["a", "b", "NA", ""], float: [1.0, 2.0, None, None], int: [1, 2, None, None]}[kind]
    plain = pd.Series(values * 5, dtype="Int64" if kind is int else None)
    asked = FORECAST | {"targets": ["even"], "answer": "label", "missing": "drop_sequences", "window": {"steps": 1}}
    found = [
        read(write(tmp_path, SERIES.assign(even=column), "parquet"), Parameters.model_validate(asked))
        for column in (plain, plain.astype("category"))
    ]
    assert found[0][1] == found[1][1] and len(found[0][1].classes or []) == 2
    assert found[0][0]["train"]["y"].tolist() == found[1][0]["train"]["y"].tolist() == [0, 1] * 3
    with refused("column 'even', row 3: is empty (10 rows"):
        path = write(tmp_path, SERIES.assign(even=plain.astype("category")), "parquet")
        read(path, Parameters.model_validate(asked | {"missing": "error"}))


def test_a_blank_line_of_one_column_is_an_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    block = FORECAST | {"targets": ["row"], "horizon": 1}
    path.write_text("\nrow\n" + "".join("\n" if row == 3 else f"{row}\n" for row in range(20)) + "\n\n")
    with refused("column 'row', row 4: is empty (1 rows have"):
        read(path, Parameters.model_validate(block))
    splits, description = read(path, Parameters.model_validate(block | {"missing": "drop_sequences"}))
    assert rows_of(splits["train"])[:3] == [[0, 1], [4, 5], [5, 6]] and "3 left out" in description.text
    path.write_text("row\n" + "".join(f"{row}\n" for row in range(20)))
    assert len(read(path, Parameters.model_validate(block))[0]["train"]["x"]) == 10


def test_dates_that_parquet_holds_as_numbers_are_read_by_their_format(tmp_path: Path) -> None:
    days = [datetime(2024, 1, 20, tzinfo=UTC) + timedelta(days=row) for row in range(20)]
    block = FORECAST | {"time": "even", "time_format": "%d%m%Y"}
    text = SERIES.assign(even=[f"{day:%d%m%Y}" for day in days])
    read(write(tmp_path, text, "parquet"), Parameters.model_validate(block))  # in order, though 01022024 < 31012024
    numbers = SERIES.assign(even=[int(f"{day:%d%m%Y}") for day in days])
    with refused("column 'even', row 13: holds '1022024'; allowed: a date as '%d%m%Y' has it, with its zeros, as text"):
        read(write(tmp_path, numbers, "parquet"), Parameters.model_validate(block))
    sortable = SERIES.assign(even=[int(f"{day:%Y%m%d}") for day in days])
    read(write(tmp_path, sortable, "parquet"), Parameters.model_validate(block | {"time_format": "%Y%m%d"}))


# ---- splits ---------------------------------------------------------------------------------------------------------


def test_one_moment_parts_all_groups(tmp_path: Path) -> None:
    frame = pd.concat(
        [
            pd.DataFrame({"station": "long", "hour": range(20), "row": range(20)}),
            pd.DataFrame({"station": "late", "hour": range(10, 20), "row": range(110, 120)}),
        ]
    )
    block = FORECAST | {"targets": ["row"], "horizon": 1, "group": "station", "time": "hour"}
    splits, _ = read_frame(tmp_path, frame, block)
    # of 30 rows 6 are for test, those from hour 17 on, and 6 before them, from hour 14 on
    ends = {split: sorted(window[-1] % 100 for window in rows_of(splits[split])) for split in SPLITS}
    assert ends == {"train": [*range(1, 11), 11, 11, 12, 12], "validation": [15, 15], "test": [18, 18]}


def test_whole_groups_by_time_go_by_their_beginnings(tmp_path: Path) -> None:
    late_first = GROUPED.assign(time=lambda frame: frame["time"].where(frame["name"] != "a", frame["time"] + 10_000))
    splits, _ = read_frame(tmp_path, late_first, WHOLE, split="time", time="time", answer="labels")
    assert {split: [row[0] for row in rows_of(splits[split])] for split in SPLITS} == {
        "train": [10, 20, 30, 40],
        "validation": [50],
        "test": [0],
    }


def test_groups_are_dealt_whole_by_the_seed(tmp_path: Path) -> None:
    def dealt(seed: int) -> dict[str, set[int]]:
        changed = {"targets": ["x"], "answer": "value", "window": {"steps": 1}, "horizon": 1}
        splits, _ = read_frame(tmp_path, GROUPED, WHOLE, seed=seed, **changed)
        return {split: {window[0] // 10 for window in rows_of(splits[split])} for split in SPLITS}

    for seed in range(5):
        groups = dealt(seed)
        assert sorted(group for split in SPLITS for group in groups[split]) == list(range(6))
    assert dealt(1) == dealt(1) and len({str(dealt(seed)) for seed in range(5)}) > 1


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(8, 30), min_size=5, max_size=9),
    steps=st.integers(1, 4),
    stride=st.integers(1, 5),
    horizon=st.integers(0, 3),
    future=st.booleans(),
    answer=st.sampled_from(["value", "values"]),
    split=st.sampled_from(["time", "group"]),
    form=st.sampled_from(["csv", "parquet"]),
)
def test_no_row_is_in_two_splits(tmp_path_factory, sizes, steps, stride, horizon, future, answer, split, form) -> None:
    """Against a plain count: every window of every stretch of rows of a group, and no row of one split in another."""
    frame = pd.DataFrame(
        [
            {"group": group, "time": step, "row": 100 * group + step, "next": 100 * group + step}
            for step in range(max(sizes))
            for group, size in enumerate(sizes)
            if step < size
        ]
    )
    parameters = Parameters(
        inputs=["row"],
        targets=["next"],
        answer=answer,
        group="group",
        time="time",
        window={"steps": steps, "stride": stride},
        **({"future": horizon} if future and horizon else {"horizon": horizon}),
        split=split,
        validation_share=0.25,
        test_share=0.25,
    )
    try:
        splits, description = read(write(tmp_path_factory.mktemp("table"), frame, form), parameters)
    except UserError as error:
        assert "gets nothing" in str(error)
        return
    seen: dict[str, set[int]] = {}
    for name, arrays in splits.items():
        windows = rows_of(arrays)
        answers = arrays["y"].reshape(len(windows), -1).astype(int).tolist()
        for window, asked in zip(windows, answers, strict=True):
            assert window == list(range(window[0], window[0] + steps)) and window[0] // 100 == asked[-1] // 100
            if future and horizon:
                assert asked == [window[-1] + ahead for ahead in range(1, horizon + 1)]
            else:
                assert asked == [row + horizon for row in (window if answer == "values" else window[-1:])]
        seen[name] = {row for window in (*windows, *answers) for row in window}
        for group in {window[0] // 100 for window in windows}:
            starts = [window[0] for window in windows if window[0] // 100 == group]
            assert starts == list(range(starts[0], starts[0] + stride * len(starts), stride))
    assert not (seen["train"] & seen["validation"] or seen["train"] & seen["test"] or seen["validation"] & seen["test"])
    if split == "time":
        assert max(row % 100 for row in seen["train"]) < min(row % 100 for row in seen["validation"] | seen["test"])
    assert description.scaling is not None


# ---- scaling and missing values -------------------------------------------------------------------------------------


def test_scaling_is_of_training_rows_alone(tmp_path: Path) -> None:
    _, description = read_frame(tmp_path, SERIES, FORECAST, horizon=1)
    wild = SERIES.assign(
        row=SERIES["row"].where(SERIES["row"] < 12, 10_000), square=SERIES["square"].where(SERIES["row"] < 12, -1)
    )
    _, same = read_frame(tmp_path, wild, FORECAST, horizon=1)
    assert description.scaling == same.scaling
    assert description.scaling.model_dump() == {
        "x_mean": [5.5],
        "x_scale": [pytest.approx((143 / 12) ** 0.5, rel=1e-15)],  # of 0 to n - 1: (n^2 - 1) / 12
        "y_mean": [pytest.approx(506 / 12, rel=1e-15)],
        "y_scale": [pytest.approx(np.std(np.arange(12) ** 2))],
    }
    _, unscaled = read_frame(tmp_path, SERIES, FORECAST, scaling="none")
    assert unscaled.scaling is None


def test_every_value_of_an_answer_has_its_scale(tmp_path: Path) -> None:
    _, description = read_frame(tmp_path, SERIES, FORECAST, targets=["square", "row"], future=3, window={"steps": 1})
    assert len(description.outputs) == 6
    assert description.scaling.y_mean == [506 / 12, 5.5] * 3 and len(description.scaling.y_scale) == 6
    labels = FORECAST | {"targets": ["even"], "answer": "label"}
    assert read_frame(tmp_path, SERIES, labels)[1].scaling.y_mean == []


def test_scales_do_not_depend_on_the_order_of_additions() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 1, 5000) * 10.0 ** rng.integers(-8, 8, 5000)
    assert mean_and_spread(values) == mean_and_spread(rng.permutation(values))
    assert mean_and_spread(np.full(7, 0.1)) == (pytest.approx(0.1), 1.0)
    assert mean_and_spread(np.array([np.nan, 1, 3])) == (2.0, 1.0)


HOLES = SERIES.assign(row=SERIES["row"].where(~SERIES["row"].isin([3, 4, 17])).astype("Float64"))


def test_rows_with_empty_cells_are_dropped(tmp_path: Path) -> None:
    splits, description = read_frame(tmp_path, HOLES, FORECAST, missing="drop_rows")
    assert rows_of(splits["train"])[:3] == [[0, 1], [1, 2], [2, 5]]  # 17 rows: 11 for training
    assert [len(splits[split]["x"]) for split in SPLITS] == [10, 2, 2] and "left out" not in description.text


def test_sequences_with_empty_cells_are_dropped(tmp_path: Path) -> None:
    splits, description = read_frame(tmp_path, HOLES, FORECAST, missing="drop_sequences")
    assert rows_of(splits["train"]) == [[row, row + 1] for row in (0, 1, 5, 6, 7, 8, 9, 10)]
    assert rows_of(splits["test"]) == [[18, 19]]
    assert description.text == "Windows of 2 rows from own.csv; 5 left out for missing values"


def test_inputs_are_filled_and_answers_are_not(tmp_path: Path) -> None:
    splits, _ = read_frame(tmp_path, HOLES, FORECAST, missing="forward_fill")
    assert rows_of(splits["train"])[1:5] == [[1, 2], [2, 2], [2, 2], [2, 5]]
    splits, description = read_frame(tmp_path, HOLES, FORECAST, missing="mean")
    mean = np.float32((sum(range(12)) - 7) / 10)
    assert splits["train"]["x"][2:5, :, 0].tolist() == [[2, mean], [mean, mean], [mean, 5]]
    assert splits["test"]["x"][0, :, 0].tolist() == [16, mean]
    splits, description = read_frame(tmp_path, HOLES, FORECAST, missing="forward_fill", targets=["row"], horizon=1)
    assert splits["train"]["y"][:, 0].tolist() == [2, 5, 6, 7, 8, 9, 10, 11] and "2 left out" in description.text


def test_values_are_not_carried_into_another_group(tmp_path: Path) -> None:
    holes = GROUPED.assign(x=GROUPED["x"].astype(float))
    holes.loc[holes["x"].isin([11, 21]), "x"] = None
    splits, _ = read_frame(tmp_path, holes, WHOLE, missing="forward_fill")
    found = {sequence[0]: sequence for arrays in splits.values() for sequence in rows_of(arrays)}
    assert found[10] == [10, 10, 12] and found[20] == [20, 20, 22, 23]
    holes.loc[2, "x"] = None
    with refused("own.csv, column 'x', row 3 of group 'b': is empty, and no row before it", "another rule"):
        read_frame(tmp_path, holes, WHOLE, missing="forward_fill")


def test_text_becomes_features_of_0_and_1(tmp_path: Path) -> None:
    block = FORECAST | {"inputs": ["even", "row"], "categories": {"even": ["no", "yes", "never"]}}
    splits, description = read_frame(tmp_path, SERIES, block)
    assert description.features == ["even=no", "even=yes", "even=never", "row"]
    assert splits["train"]["x"][0].tolist() == [[0, 1, 0, 0], [1, 0, 0, 1]]
    assert description.scaling.x_mean == [0, 0, 0, 5.5] and description.scaling.x_scale[:3] == [1, 1, 1]
    with refused("own.csv, column 'even', row 1: holds 'yes'; did you mean 'yess'? Allowed: no, yess"):
        read_frame(tmp_path, SERIES, block, categories={"even": ["no", "yess"]})


# ---- files ----------------------------------------------------------------------------------------------------------


def measured(num: int = 120) -> pd.DataFrame:
    """Two stations in turns: dates, numbers with many digits, words, truths and empty cells."""
    rng = np.random.default_rng(5)
    begin = datetime(2024, 2, 28, 12, tzinfo=UTC)
    values = rng.normal(50, 10, num) / 3
    values[[7, 50]] = np.nan
    return pd.DataFrame(
        {
            "at": [begin + timedelta(minutes=10 * (row // 2)) for row in range(num)],
            "station": ["north", "south"] * (num // 2),
            "load": values,
            "count": rng.integers(0, 2**40, num),
            "on": rng.random(num) < 0.5,
            "state": rng.choice(["idle", "run"], num),
        }
    )


MEASURED: dict[str, Any] = {
    "inputs": ["load", "count", "on"],
    "targets": ["state"],
    "answer": "labels",
    "group": "station",
    "time": "at",
    "window": {"steps": 4, "stride": 2},
    "split": "time",
    "validation_share": 0.2,
    "test_share": 0.2,
    "missing": "forward_fill",
}


def test_csv_and_parquet_give_the_same_bytes(tmp_path: Path) -> None:
    for block in (MEASURED, MEASURED | {"targets": ["load", "count"], "answer": "value", "horizon": 1}):
        read_as: dict[str, Any] = {}
        indexed = measured().set_index("at")
        for form in ("csv", "csv.gz", "parquet"):
            path = write(tmp_path, measured(), form)
            read_as[form] = read(path, Parameters.model_validate(block))
        indexed.to_parquet(tmp_path / "own.parquet")
        read_as["indexed"] = read(tmp_path / "own.parquet", Parameters.model_validate(block))
        splits, description = read_as["csv"]
        for others, other_description in read_as.values():
            assert other_description.model_dump(exclude={"text"}) == description.model_dump(exclude={"text"})
            for split in SPLITS:
                for name, values in splits[split].items():
                    other = others[split][name]
                    assert (other.dtype, other.shape) == (values.dtype, values.shape)
                    assert other.tobytes() == values.tobytes()


def test_another_separator_decimal_and_way_to_write_dates(tmp_path: Path) -> None:
    frame = measured()
    plain, _ = read_frame(tmp_path, frame, MEASURED)
    path = tmp_path / "german.csv"
    frame.to_csv(path, index=False, sep=";", decimal=",", date_format="%d.%m.%Y %H:%M")
    german = {"separator": ";", "decimal": ",", "time_format": "%d.%m.%Y %H:%M"}
    found, _ = read(path, Parameters.model_validate(MEASURED | german))
    for split in SPLITS:
        np.testing.assert_array_equal(found[split]["x"], plain[split]["x"])
    with refused("column 'at', row 1: holds '28.02.2024 12:00'", "2024-05-31", "time_format"):
        read(path, Parameters.model_validate(MEASURED | {"separator": ";", "decimal": ","}))
    with refused("no column 'load'", "is the 'separator' another than ','?"):
        read(path, Parameters.model_validate(MEASURED))


def test_a_csv_is_imported_checked_and_viewed_without_a_finding(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2024-01-01", periods=1500, freq="h"),
            "load": rng.normal(400, 30, 1500),
            "heat": rng.normal(5, 2, 1500),
            "state": rng.choice(["high", "low"], 1500),
        }
    )
    window = {"steps": 6, "stride": 3}
    block = {"inputs": ["load", "heat"], "time": "at", "window": window, "split": "time", "horizon": 1}
    asked = {
        "sequence_to_label": {"targets": ["state"], "answer": "label"},
        "sequence_to_labels": {"targets": ["state"], "answer": "labels"},
        "sequence_to_value": {"targets": ["load"], "answer": "value"},
        "sequence_to_values": {"targets": ["load"], "answer": "values"},
    }
    for name, answer in asked.items():
        folder = tmp_path / f"data/{name}"
        path = write(tmp_path, frame)
        ingest(name, path, "table", Parameters.model_validate(block | answer), folder)
        dataset = Dataset(folder)
        assert check_dataset(dataset, imported=True).findings == []
        accepted = summarise(dataset)
        drift, findings = compare(accepted, summarise(dataset, like=accepted), PSI_LIMIT)
        assert findings == [] and {measured.psi for measured in drift} == {0}
        assert {"load_mean", "load_std", "heat_first", "heat_last"} <= set(accepted.features)
        assert ("answer_load" in accepted.features) == ("value" in name)
        train = dataset.split("train")
        view = open_view(name, dataset.card, "params.yaml")
        spec = view.spec(dataset.card, dataset.card.example_shape())
        inputs, targets = view.inputs(train, dataset.card), view.targets(train, dataset.card)
        assert (spec.input_shape, spec.num_outputs) == ((None, 2), 2 if "label" in name else 1)
        assert abs(inputs.mean()) < 0.05 and abs(inputs.std() - 1) < 0.05
        assert inputs.dtype == np.float32 and np.isfinite(targets).all()
        assert targets.shape[:1] == inputs.shape[:1] and targets.ndim == 1 + ("values" in name) + (name[-1] == "s") + (
            name == "sequence_to_value"
        )


def test_a_forecast_of_a_table_is_imported_with_its_references_and_viewed_in_its_own_units(tmp_path: Path) -> None:
    """Two prices that follow the row: the line through a window is the best there is, and a season repeats nothing."""
    frame = pd.DataFrame({"day": range(60), "usd": np.arange(60) * 2.0, "eur": np.arange(60) + 5.0})
    frame.loc[:9, ["usd", "eur"]] = 0.0  # no price yet
    block = {
        "inputs": ["usd", "eur"],
        "targets": ["usd", "eur"],
        "answer": "values",
        "time": "day",
        "window": {"steps": 5},
        "future": 3,
        "season": 2,
        "drop_first": 10,
        "split": "time",
        "validation_share": 0.2,
        "test_share": 0.2,
        "scaling": "none",
    }
    folder = tmp_path / "data/prices"
    ingest("prices", write(tmp_path, frame), "table", Parameters.model_validate(block), folder)
    dataset = Dataset(folder)
    assert check_dataset(dataset, imported=True).findings == []
    card, train = dataset.card, dataset.split("train")
    assert train["x"][0].tolist() == [[2 * row, row + 5] for row in range(10, 15)]
    assert [card.num_examples(split) for split in SPLITS] == [23, 3, 3]  # of 30, 10 and 10 rows, 8 each
    assert (card.naive_errors, card.season, card.output_steps) == ([2.0, 1.0], 2, 3)
    assert card.references["drift"] == {"rmse": 0, "mae": 0, "mase": 0, "smape": 0}
    assert card.references["last value"]["mae"] == pytest.approx((2 + 4 + 6 + 1 + 2 + 3) / 6)
    assert card.references["seasonal naive"]["mase"] == pytest.approx((2 + 2 + 4) / 3)
    view = open_view("window_to_values", card, "params.yaml")
    inputs, targets = view.inputs(train, card), view.targets(train, card)
    assert view.spec(card, card.example_shape()).continues == (0, 1)
    np.testing.assert_allclose(inputs - inputs[:1], 0, atol=1e-5)  # every window of a line is the same
    np.testing.assert_allclose(targets - targets[:1], 0, atol=1e-5)
    np.testing.assert_allclose(view.in_units(targets, train["x"], card), train["y"], rtol=1e-6)


def test_the_first_rows_of_each_group_can_be_left_out(tmp_path: Path) -> None:
    splits, _ = read_frame(tmp_path, SERIES, FORECAST, drop_first=5, horizon=1)
    assert rows_of(splits["train"])[0] == [5, 6] and rows_of(splits["test"]) == [[17, 18]]
    splits, _ = read_frame(tmp_path, GROUPED, WHOLE, drop_first=1)
    assert sorted(row for arrays in splits.values() for row in rows_of(arrays)) == [
        [10 * place + step for step in range(1, size)] for place, size in enumerate(SIZES.values())
    ]
    early = SERIES.assign(row=SERIES["row"].where(SERIES["row"] > 4).astype("Float64"))  # empty where it is left out
    assert len(read_frame(tmp_path, early, FORECAST, drop_first=5)[0]["train"]["x"]) == 8


def test_months_are_no_gaps_and_gaps_can_be_allowed(tmp_path: Path) -> None:
    months = SERIES.assign(month=pd.date_range("2023-01-31", periods=20, freq="ME").strftime("%Y-%m-%d"))
    splits, _ = read_frame(tmp_path, months, FORECAST, time="month", horizon=1)
    assert len(splits["train"]["x"]) == 10
    gap = SERIES.assign(month=[*range(10), *range(50, 60)])
    with refused("row 11: a gap: 50 follows 9 of row 10, 41 times"):
        read_frame(tmp_path, gap, FORECAST, time="month")
    splits, _ = read_frame(tmp_path, gap, FORECAST, time="month", gaps="allow", horizon=1)
    assert len(splits["train"]["x"]) == 10


def test_large_times_keep_their_last_digits(tmp_path: Path) -> None:
    begin = 1_700_000_000_000_000_000
    nanoseconds = SERIES.assign(row=range(begin, begin + 20))
    splits, _ = read_frame(tmp_path, nanoseconds, FORECAST | {"inputs": ["square"], "time": "row", "horizon": 1})
    assert [len(splits[split]["x"]) for split in SPLITS] == [10, 2, 2]


def test_declaring_a_table_imports_no_pandas() -> None:
    """Every command reads params.yaml, and with it these parameters."""
    code = "import sys, pipeline.formats.table; sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
