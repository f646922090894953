import pytest

from seg.errors import UsageError
from seg.overrides import load_organ, parse_words, read_yaml_file, resolve, to_words

REFUSED = [
    "train.steps=0", "train.steps=-1", "train.steps=1.5", "train.steps=true", "train.steps=1e3", "train.steps=0x10",
    "train.steps=99999999999999999999999", "train.steps=٣", "train.steps=", "train.steps=[1]", "train.batch_size=null",
    "train.compile=maybe", "train.ema=2", "train.seed=-1", "train.seed=4294967296", "train.precision=FP32",
    "train.device=tpu", "train.epochs=0", "train.epochs=nan", "train.epochs=inf", "optim.lr=nan", "optim.lr=inf",
    "optim.lr=2", "optim.lr=0", "optim.lr=-1e-3", "optim.lr=fast", "optim.lr=1,5", "optim.lr=", "optim.lr.x=3",
    "optim.warmup=1.1", "optim.clip_norm=0", "optim=3", "optim=null", "train=", "data.nan_to=nan", "data.nan_to=-inf",
    "data.root=null", "data.root=a\x00b", "data.root=a\nb", "data.format=", "data.labels=3", "data.labels={liver:[a]}",
    "data.labels=[1", "data.labels={liver:[1],liver:[2]}", "data.labels.liver=x", "data.spacing_mm=1",
    "data.spacing_mm=1,-1", "data.spacing_mm=1,1,1", "data.workers=65", "data.trust=both", "prepare.window_hu=1",
    "prepare.window_hu=1,2,3", "prepare.window_hu=5,1", "prepare.window_hu=5,5", "prepare.window_hu=nan,1",
    "prepare.window_hu=-inf,1", "prepare.spacing=foo", "prepare.spacing=0", "prepare.spacing=inf",
    "prepare.size_px=100", "prepare.size_px=4096", "prepare.neighbours=6", "prepare.intensity=windw", "organ=livr",
    "organ=", "organ=,", "organ=liver,liver", "organ=null", "organ=../../etc/passwd", "preset=quik", "preset=null",
    "strategy=", "split.test_fraction=1", "split.test_fraction=nan", "split.folds=1", "runs.name=../x", "runs.name=a/b",
    "runs.name=.hidden", "runs.folder=", "model.weights=", "model.decoder_channels=1,2,0", "augment.flip=up",
    "augment.strength=-1", "evaluate.metrics=", "evaluate.metrics=dice,dice", "evaluate.bootstrap_samples=1",
    "optim.lrr=1", "optim.__class__=1", "lr=1", "model_config=1", "optim..lr=1", ".=1", "=3", "", "optim.lr", "liver",
]  # fmt: skip
TYPED = [
    ("optim.lr=1e-4", ("optim", "lr"), 1e-4),
    ("train.ema=no", ("train", "ema"), False),
    ("predict.keep_largest=no", ("predict", "keep_largest"), "no"),
    ("train.steps=null", ("train", "steps"), None),
    ("train.steps= 12 ", ("train", "steps"), 12),
    ("data.root=[x]", ("data", "root"), "[x]"),
    ("data.root=on", ("data", "root"), "on"),
    ("data.root=a=b", ("data", "root"), "a=b"),
    ("data.root=012", ("data", "root"), "012"),
    ("data.labels={liver:1}", ("data", "labels"), {"liver": (1,)}),
    ("data.labels={liver: [1, 2]}", ("data", "labels"), {"liver": (1, 2)}),
    ("data.labels.liver=1,2", ("data", "labels"), {"liver": (1, 2)}),
    ("prepare.spacing=1.5", ("prepare", "spacing"), 1.5),
    ("prepare.spacing=native", ("prepare", "spacing"), "native"),
    ("prepare.window_hu=[-160, 240]", ("prepare", "window_hu"), (-160.0, 240.0)),
    ("organ=liver, spleen", ("organ",), ("liver", "spleen")),
    ("augment.flip=", ("augment", "flip"), ()),
]


@pytest.mark.parametrize("word", REFUSED, ids=ascii)
def test_a_word_that_cannot_be_meant_is_refused(word):
    with pytest.raises(UsageError) as caught:
        resolve([word])
    assert caught.value.found
    assert caught.value.expected
    assert "Input should" not in str(caught.value)


@pytest.mark.parametrize(("word", "path", "value"), TYPED, ids=[word for word, _, _ in TYPED])
def test_a_word_gets_its_type_from_the_schema(word, path, value):
    found = resolve([word])
    for name in path:
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("optim.lrr=1", "Did you mean 'optim.lr'?"),
        ("lr=1", "Did you mean 'optim.lr'?"),
        ("stepps=1", "Did you mean"),
        ("liver", "Did you mean 'organ=liver'?"),
        ("optim.lr", "Did you mean 'optim.lr='?"),
        ("preset=quik", "Did you mean 'quick'?"),
        ("prepare.intensity=windw", "Did you mean 'window'?"),
        ("train.compile=maybe", "expected true or false"),
        ("prepare.spacing=foo", "or a number above 0"),
        ("prepare.window_hu=5,1", "the lower one first"),
        ("split.test_fraction=1", "together below 1"),
        ("train.steps=0", "a whole number at least 1"),
    ],
)
def test_the_error_says_what_would_do(word, hint):
    with pytest.raises(UsageError) as caught:
        resolve([word])
    assert hint in str(caught.value)


def test_a_fold_beyond_the_folds_is_refused():
    with pytest.raises(UsageError, match=r"split\.fold below split\.folds"):
        resolve(["split.folds=3", "split.fold=3"])


DEEP = "[" * 1500 + "]" * 1500
YAML = [
    ("duplicate", "optim: {lr: 1e-3}\noptim: {lr: 1e-4}\n", "stands twice"),
    ("duplicate-inside", "optim:\n  lr: 1\n  lr: 2\n", "stands twice"),
    ("alias", "a: &x [1]\norgan: *x\n", "aliases are not allowed"),
    ("bomb", "a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "aliases are not allowed"),
    ("python", "organ: !!python/object/apply:os.system [touch owned]\n", "tag"),
    ("tag", "organ: !!str liver\n", "tag"),
    ("deep", f"organ: {DEEP}\n", ""),
    ("list", "- organ\n", "a list"),
    ("text", "organ\n", "a str"),
    ("two documents", "organ: liver\n---\norgan: spleen\n", "document"),
    ("tab", "optim:\n\tlr: 1\n", ""),
    ("unclosed", "organ: [liver\n", "line 2"),
    ("list as key", "? [a]\n: 1\n", "unhashable"),
    ("merge", "optim:\n  <<: {lr: 1}\n", "unknown setting"),
    ("unknown", "optim:\n  learning_rate: 1\n", "unknown setting 'optim.learning_rate'"),
    ("number as key", "1: 2\n", "unknown setting '1'"),
    ("empty section", "optim:\n", "found optim="),
    ("nul", "organ: a\0b\n", ""),
    ("nan", "optim: {lr: .nan}\n", "found optim.lr=.nan"),
    ("long", "# " + "x" * 1_000_001, "more than 1000000 characters"),
]


@pytest.mark.parametrize(("text", "found"), [(text, found) for _, text, found in YAML], ids=[name for name, *_ in YAML])
def test_a_hostile_yaml_file_is_refused(tmp_path, text, found):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        resolve([], [path])
    assert found in str(caught.value)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("kind", ["missing", "folder", "latin-1"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, kind):
    path = tmp_path / "own.yaml"
    if kind == "folder":
        path.mkdir()
    if kind == "latin-1":
        path.write_bytes(b"title: L\xe4ber\n")
    with pytest.raises(UsageError) as caught:
        read_yaml_file(path)
    assert caught.value.path == str(path)


def test_an_empty_file_changes_nothing(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("# nothing yet\n")
    assert resolve([], [path]) == resolve([])


def test_words_win_over_files_over_preset_over_defaults(tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("train: {steps: 5, batch_size: 5, epochs: 5}\n")
    second.write_text("train: {steps: 6, batch_size: 6}\n")
    train = resolve(["train.steps=7", "preset=quick"], [first, second]).train
    assert (train.steps, train.batch_size, train.epochs, train.validations) == (7, 6, 5, 5)
    assert resolve([]).train.validations == 10


def test_the_automatic_preset_is_the_one_of_the_machine():
    assert resolve([], auto_preset="gpu").preset == "gpu"
    assert resolve(["preset=quick"], auto_preset="gpu").preset == "quick"


def test_the_last_of_two_equal_words_wins():
    assert parse_words(["optim.lr=1", "optim.lr=2"]) == {"optim": {"lr": "2"}}


def test_python_values_nested_or_dotted_become_words():
    nested = to_words({"optim": {"lr": 1e-3}, "train": {"ema": False, "steps": None}, "data.labels": {"liver": [1, 2]}})
    settings = resolve(nested)
    assert settings.optim.lr == 1e-3
    assert (settings.train.ema, settings.train.steps) == (False, None)
    assert settings.data.labels == {"liver": (1, 2)}
    assert resolve(to_words({"prepare.window_hu": (-10, 10), "organ": ["liver", "spleen"]})).prepare.window_hu == (
        -10,
        10,
    )


def test_an_organ_file_with_a_misspelt_field_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "organ").mkdir()
    (tmp_path / "organ" / "heart.yaml").write_text("titel: Heart\n")
    monkeypatch.setattr("seg.overrides.config_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match=r"configs/organ/heart\.yaml.*'titel'"):
        load_organ("heart")


def test_an_organ_file_may_bring_settings(tmp_path, monkeypatch):
    for kind, name, text in (
        ("organ", "heart", "title: Heart\nsettings:\n  prepare: {size_px: 64}\n"),
        ("preset", "cpu", "prepare: {size_px: 192, neighbours: 0}\n"),
        ("strategy", "supervised", "components:\n  supervised:\n"),
    ):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.yaml").write_text(text)
    monkeypatch.setattr("seg.overrides.config_folder", lambda: tmp_path)
    settings = resolve(["organ=heart"])
    assert (settings.prepare.size_px, settings.prepare.neighbours) == (64, 0)
    assert load_organ("heart").title == "Heart"
