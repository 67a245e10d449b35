"""`--set KEY=VALUE` on the params.yaml there is, with its comments and anchors."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from found import PARAMS, ROOT

from pipeline.errors import UserError
from pipeline.overrides import with_settings

FILE = ROOT / "params.yaml"
LEAVES = [
    (section, name, part, key)
    for section, parts in (("datasets", ("splits", "parameters")), ("variants", ("network", "training")))
    for name, block in PARAMS[section].items()
    for part in parts
    if block[part]
    for key in sorted(
        {next(iter(block[part])), next(reversed(block[part]))}
    )  # one that a block may share, one that it may have added
]


def plain(value: Any) -> Any:
    """Without YAML's sharing: what aliases and merges mean."""
    return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else copy.copy(value)


@pytest.mark.parametrize("leaf", LEAVES, ids=".".join)
def test_one_value_changes_and_no_other_whatever_shares_a_block_with_it(leaf, monkeypatch):
    monkeypatch.setattr("pipeline.overrides.check_all", lambda path: [])  # not every key takes 7
    expected = plain(PARAMS)
    section, name, part, key = leaf
    expected[section][name][part][key] = 7
    found = yaml.safe_load(with_settings([f"{'.'.join(leaf)}=7"], FILE))
    assert plain(found) == {section: block for section, block in expected.items() if section in found}


def test_nothing_set_is_nothing_changed():
    assert with_settings([], FILE) == FILE.read_text()


def test_comments_and_all_other_lines_stay():
    text = with_settings(["variants.memory_lstm.training.steps=400", "variants.memory_lstm.seed=3"], FILE)
    before, after = FILE.read_text().splitlines(), text.splitlines()
    assert len(before) == len(after)
    changed = [line.strip() for old, line in zip(before, after, strict=True) if old != line]
    assert changed == ["steps: 400", "seed: 3"]


def test_a_new_key_and_a_list_can_be_set():
    settings = ["variants.digits_cnn.training.clip_norm=5e-1", "variants.digits_cnn.network.filters=[8,16]"]
    block = yaml.safe_load(with_settings(settings, FILE))["variants"]["digits_cnn"]
    assert block["training"]["clip_norm"] == 0.5 and block["network"]["filters"] == [8, 16]


def test_the_settings_of_promotion_can_be_set():
    text = with_settings(["promotion.digits.margin=0.2"], FILE)
    assert yaml.safe_load(text)["promotion"]["digits"]["margin"] == 0.2
    with pytest.raises(UserError, match=r"promotion\.digits\.margin: found 2"):
        with_settings(["promotion.digits.margin=2"], FILE)


def test_quotes_stay(tmp_path: Path):
    file = tmp_path / "params.yaml"
    quoted = FILE.read_text().replace("source: moving_square", 'source: "moving_square"')
    file.write_text(quoted.replace("task: classification", "task: 'classification'"))
    assert with_settings(["variants.memory_lstm.seed=3"], file).count('"moving_square"') == quoted.count(
        '"moving_square"'
    )
    assert "task: 'classification'" in with_settings(["variants.memory_lstm.seed=3"], file)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("variants.memory_lstm.seed", "allowed: KEY=VALUE"),
        ("=3", "allowed: KEY=VALUE"),
        ("variants..seed=3", "allowed: KEY=VALUE"),
        ("variant.memory_lstm.seed=3", "no section 'variant'; did you mean 'variants'?"),
        ("variants.memori_lstm.seed=3", "variants has no 'memori_lstm'; did you mean 'memory_lstm'?"),
        ("variants.memory_lstm.seed.x=3", "variants.memory_lstm.seed is 1, which has no keys"),
        ("variants.memory_lstm.seed=[", "not valid YAML"),
        ("variants.memory_lstm.seed=-1", "params.yaml: variants.memory_lstm.seed: found -1"),
        ("variants.memory_lstm.training.stepz=3", "params.yaml: variants.memory_lstm.training.stepz: unknown key"),
        ("variants.memory_lstm=3", "params.yaml: variants.memory_lstm"),
    ],
)
def test_a_setting_that_is_none(setting: str, words: str):
    with pytest.raises(UserError, match=re.escape(words)):
        with_settings([setting], FILE)


def test_the_command_writes_the_file_or_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from typer.testing import CliRunner

    from pipeline.cli import app

    monkeypatch.chdir(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text(FILE.read_text())
    done = CliRunner().invoke(app, ["set", "variants.recall_100_lstm.training.learning_rate=0.0033"])
    assert done.exit_code == 0, done.output
    before, after = (yaml.safe_load(path.read_text())["variants"] for path in (FILE, file))
    after["recall_100_lstm"]["training"]["learning_rate"] = before["recall_100_lstm"]["training"]["learning_rate"]
    assert after == before
    written = file.read_text()
    assert CliRunner().invoke(app, ["set", "variants.recall_100_lstm.training.learning_rate=-1"]).exit_code != 0
    assert file.read_text() == written and list(tmp_path.iterdir()) == [file]


def test_the_file_itself_is_not_written(tmp_path: Path):
    file = tmp_path / "params.yaml"
    file.write_text(FILE.read_text())
    with_settings(["variants.memory_lstm.seed=3"], file)
    assert file.read_text() == FILE.read_text()
    assert list(tmp_path.iterdir()) == [file]
