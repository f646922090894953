import inspect
import pickle

import pytest

from seg import errors
from seg.errors import SegError, nearest

CHILDREN = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SegError)]


def test_every_class_has_its_own_exit_code():
    codes = sorted(kind.exit_code for kind in CHILDREN)
    assert codes == list(range(1, len(CHILDREN) + 1))


@pytest.mark.parametrize("kind", CHILDREN)
def test_the_tree_in_the_docstring_shows_the_class_and_its_code(kind):
    lines = [line for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line]
    assert len(lines) == 1
    assert kind is SegError or str(kind.exit_code) in lines[0].split()


def test_a_sentence_has_place_found_expected_and_fix():
    error = errors.DataError(found="2 axes", expected="3", fix="save it as a volume", path="a/b.nii", code="axes")
    assert str(error) == "a/b.nii: found 2 axes; expected 3. To do: save it as a volume"
    assert (error.path, error.code) == ("a/b.nii", "axes")


def test_a_sentence_without_a_place_begins_with_what_was_found():
    assert str(errors.UsageError(found="x", expected="y", fix="z")).startswith("found x;")


def test_the_nearest_name_is_offered_only_where_one_is_near():
    assert nearest("livr", ["liver", "spleen"]) == " Did you mean 'liver'?"
    assert nearest("qqq", ["liver", "spleen"]) == ""


@pytest.mark.parametrize("kind", CHILDREN)
def test_an_error_survives_the_way_to_another_process(kind):
    error = kind(found="2 axes", expected="3", fix="save it as a volume", path="a/b.nii", code="axes")
    error.add_note("seen there")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.path) == (kind, str(error), "axes", "a/b.nii")
    assert again.__notes__ == ["seen there"]
