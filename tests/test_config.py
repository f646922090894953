import pytest

from seg.config import Organ, Settings, config_folder
from seg.errors import UsageError
from seg.overrides import load_organ, resolve, to_yaml
from seg.schema import as_text, describe, expected, list_names, setting_names, shown


@pytest.mark.parametrize("setting", list(describe()), ids=lambda setting: setting[0])
def test_every_setting_explains_itself(setting):
    name, default, meaning, allowed = setting
    assert len(meaning) > 10
    assert meaning.endswith(".")
    assert expected(name)
    assert not allowed or default is None or isinstance(default, bool | tuple | float) or default in allowed
    assert shown(default)


@pytest.mark.parametrize("field", list(Organ.model_fields), ids=str)
def test_every_field_of_an_organ_explains_itself(field):
    assert Organ.model_fields[field].description


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        Settings().optim.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("train.compile", "true or false"),
        ("train.steps", "a whole number at least 1 and at most 1,000,000,000, or null"),
        ("prepare.spacing", "one of auto, native, or a number above 0"),
        ("augment.scale", "a number at least 0 and below 0.9"),
        ("prepare.window_hu", "2 values, each a number, or null"),
        ("evaluate.metrics", "a list, each text"),
        ("data.labels", "a table such as {liver:[1,2]}"),
        ("no.such", ""),
    ],
)
def test_what_a_setting_can_be_is_said_in_words(name, sentence):
    assert expected(name) == sentence


def test_lists_are_known_by_their_type():
    assert {"organ", "prepare.window_hu", "data.spacing_mm", "predict.flips"} <= list_names()
    assert not {"data.root", "optim.lr", "data.labels"} & list_names()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (3e-4, "0.0003"), ((1, 2), "['1', '2']"), ({"liver": [1]}, "{liver: ['1']}")],
)
def test_a_python_value_becomes_the_text_of_a_word(value, text):
    assert as_text(value) == text


def test_the_settings_of_a_run_are_read_back_unchanged(tmp_path):
    words = [
        "organ=kidneys,spleen", "preset=quick", "data.labels={kidneys:[1,2],spleen:3}", "prepare.window_hu=-50,150.5",
        "prepare.spacing=1.25", "data.spacing_mm=0.7,0.8", "optim.lr=1e-4", "optim.clip_norm=null", "train.ema=no",
        "augment.flip=front_back", "predict.keep_largest=no", "data.root=/scans/ä: #1, {x}", "runs.name=null-1",
        "model.weights=none", "split.folds=5", "split.fold=4", "evaluate.nsd_tolerance_mm=1e-3",
    ]  # fmt: skip
    settings = resolve(words)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(settings), encoding="utf-8")
    assert resolve([], [path]) == settings
    assert resolve([], [path], auto_preset="gpu") == settings


def test_defaults_are_read_back_unchanged(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(resolve([])), encoding="utf-8")
    assert resolve([], [path]) == resolve([])


def test_dotted_names_are_complete():
    assert len(set(setting_names())) == len(setting_names()) > 60
    assert setting_names()[:3] == ("organ", "preset", "strategy")


def test_shipped_files_are_found():
    assert (config_folder() / "organ" / "liver.yaml").is_file()


def test_an_unknown_organ_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'liver'") as caught:
        load_organ("livr")
    assert caught.value.code == "unknown-organ"
