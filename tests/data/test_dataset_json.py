import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg.data.dataset_json import declares, listed_file, read_declaration
from seg.errors import DataError


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "json-broken", "Expecting value"),
        (b'{"a": 1,}', "json-broken", "line 1"),
        (b'{"a": 1, "a": 2}', "json-broken", "'a' stands twice"),
        (b'{"a": NaN}', "json-broken", "NaN"),
        (b'{"a": -Infinity}', "json-broken", "Infinity"),
        (b'\xff\xfe{"a": 1}', "json-broken", "decode"),
        (b"[" * 200_000, "json-broken", "nesting"),
        (b'{"a": ' + b"9" * 5000 + b"}", "json-broken", "digits"),
        (b'{"a": "\\ud800"}', "json-broken", "surrogates"),
        (b"[1, 2]", "json-type", "list"),
        (b'"text"', "json-type", "str"),
        (b"<!DOCTYPE html>", "json-broken", "Expecting value"),
        (b'{"a": "' + b"x" * 32_000_000 + b'"}', "json-size", "32 MB"),
    ],
    ids=[
        "empty",
        "comma",
        "twice",
        "nan",
        "infinity",
        "utf16",
        "deep",
        "digits",
        "surrogate",
        "list",
        "text",
        "html",
        "huge",
    ],
)
def test_hostile_json_is_refused_with_its_file(tmp_path, content, code, words):
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_declaration(path)
    assert (caught.value.code, caught.value.path) == (code, str(path))


def test_a_byte_order_mark_is_understood(tmp_path):
    (tmp_path / "dataset.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_declaration(tmp_path / "dataset.json") == {"a": 1}


def test_escaped_letters_are_understood(tmp_path):
    (tmp_path / "dataset.json").write_bytes(b'{"\\u809d": "\\ud83d\\ude00"}')
    assert read_declaration(tmp_path / "dataset.json") == {"肝": "😀"}


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_declaration(tmp_path / "dataset.json")


def test_no_declaration_declares_nothing(tmp_path):
    assert not declares(tmp_path, "training")
    (tmp_path / "dataset.json").mkdir()
    assert not declares(tmp_path, "training")


@given(st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "a", "", "/"]), max_size=6).map("/".join))
def test_whatever_a_declaration_lists_stays_below_the_root(tmp_path_factory, text):
    root = tmp_path_factory.getbasetemp()
    try:
        found = listed_file(json.loads(json.dumps(text)), root, root / "dataset.json")
    except DataError:
        return
    assert root in found.parents
    assert ".." not in found.parts
