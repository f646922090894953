import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seg.config import Data, Split
from seg.data.splits import SplitPlan, draw_split, load_split, refuse_leaks, save_split
from seg.errors import DataError, UsageError
from seg.records import Case, DataSet


def case(name: str, patient: str, labelled: bool) -> Case:
    return Case(name, patient, "volume", ((f"/{name}",),), {"": (f"/{name}_seg",)} if labelled else {})


def data_of(labelled, unlabelled=()) -> DataSet:
    cases = [case(name, name, True) for name in labelled] + [case(name, name, False) for name in unlabelled]
    return DataSet("/data", "nifti", tuple(cases))


def numbered(count: int, start: str = "p") -> list[str]:
    return [f"{start}{number}" for number in range(count)]


PLAN = SplitPlan(("a", "b"), ("c",), ("d",), ("u",), 3, "by hand")
patients = st.lists(
    st.text(min_size=1, max_size=6).filter(lambda text: text.isprintable()), min_size=1, max_size=40, unique=True
)
seeds = st.integers(0, 2**32 - 1)


@example(["0", "1", "00"], [], 0, 0.5, 0.25)
@given(patients, patients, seeds, st.floats(0, 0.5), st.floats(0, 0.49))
def test_every_patient_is_on_exactly_one_side(labelled, unlabelled, seed, test, validation):
    unlabelled = [name for name in unlabelled if name not in set(labelled)]
    plan = draw_split(
        data_of(labelled, unlabelled), Split(seed=seed, test_fraction=test, validation_fraction=validation), Data()
    )
    placed = [name for side in plan.sides().values() for name in side]
    assert sorted(placed) == sorted([*labelled, *unlabelled])
    assert plan.unlabelled == tuple(sorted(unlabelled))
    assert plan.train
    if len(labelled) >= 3:
        assert bool(plan.test) == (test > 0)
        assert bool(plan.validation) == (validation > 0)


@given(patients, seeds, st.randoms(use_true_random=False))
def test_the_order_of_files_changes_nothing(labelled, seed, shuffler: random.Random):
    settings = Split(seed=seed)
    plan = draw_split(data_of(labelled), settings, Data())
    shuffler.shuffle(labelled)
    assert draw_split(data_of(labelled), settings, Data()) == plan


@given(st.integers(2, 30), st.data())
def test_each_patient_is_tested_in_exactly_one_fold(count, data):
    folds = data.draw(st.integers(2, count))
    plans = [draw_split(data_of(numbered(count)), Split(folds=folds, fold=fold), Data()) for fold in range(folds)]
    assert sorted(name for plan in plans for name in plan.test) == sorted(numbered(count))
    assert all(plan.train and plan.test for plan in plans)
    assert max(len(plan.test) for plan in plans) - min(len(plan.test) for plan in plans) <= 1
    for plan in plans:
        assert sorted([*plan.train, *plan.validation, *plan.test]) == sorted(numbered(count))


def test_a_split_stays_as_it_was_drawn():
    """A changed rule would silently mix the training and test patients of older runs."""
    plan = draw_split(data_of(numbered(10)), Split(), Data())
    assert (plan.test, plan.validation) == (("p4", "p6"), ("p5", "p9"))


def test_other_seeds_give_other_splits():
    assert len({draw_split(data_of(numbered(20)), Split(seed=seed), Data()).test for seed in range(10)}) > 5


def test_the_fractions_are_shares_of_the_labelled_patients():
    plan = draw_split(data_of(numbered(100), numbered(50, "u")), Split(), Data())
    assert [len(side) for side in plan.sides().values()] == [65, 15, 20, 50]
    assert "0.2 test" in plan.how
    assert "seed 0" in plan.how


def test_all_cases_of_a_patient_stay_together():
    cases = tuple(case(f"{patient}-{scan}", patient, scan == 0) for patient in numbered(5) for scan in range(3))
    plan = draw_split(DataSet("/data", "nifti", cases), Split(), Data())
    assert sorted([*plan.train, *plan.validation, *plan.test]) == numbered(5)
    assert plan.unlabelled == ()


@pytest.mark.parametrize(
    ("count", "sizes", "words"), [(1, (1, 0, 0), "none is tested"), (2, (1, 0, 1), "no validation")]
)
def test_too_few_patients_leave_sides_empty_and_say_so(count, sizes, words):
    plan = draw_split(data_of(numbered(count)), Split(), Data())
    assert (len(plan.train), len(plan.validation), len(plan.test)) == sizes
    assert words in plan.how


def test_three_patients_are_one_on_each_side():
    plan = draw_split(data_of(numbered(3)), Split(), Data())
    assert (len(plan.train), len(plan.validation), len(plan.test)) == (1, 1, 1)


def test_no_labelled_patient_is_refused():
    with pytest.raises(DataError, match="any of 4 patients") as caught:
        draw_split(data_of([], numbered(4)), Split(), Data())
    assert caught.value.code == "no-labels"


def test_labels_that_come_from_elsewhere_are_not_needed_here():
    plan = draw_split(data_of([], numbered(4)), Split(), Data(), labels_elsewhere=True)
    assert list(plan.sides().values()) == [(), (), (), tuple(numbered(4))]
    assert "no patient is labelled" in plan.how


def test_no_labels_used_leaves_the_test_patients_and_nobody_validates():
    data_set = data_of(numbered(20), numbered(3, "u"))
    whole = draw_split(data_set, Split(), Data())
    none = draw_split(data_set, Split(), Data(labelled=0), labels_elsewhere=True)
    assert none.test == whole.test
    assert none.train == none.validation == ()
    assert sorted(none.unlabelled) == sorted([*whole.train, *whole.validation, *whole.unlabelled])
    assert "none validates" in none.how


def test_a_split_without_labels_is_the_same_when_it_is_loaded_again(tmp_path):
    settings = Data(labelled=0)
    plan = draw_split(data_of(numbered(9)), Split(), settings, labels_elsewhere=True)
    save_split(plan, tmp_path / "split.json")
    saved = Split(file=str(tmp_path / "split.json"))
    again = draw_split(data_of(numbered(9)), saved, settings, labels_elsewhere=True)
    assert again.sides() == plan.sides()
    later = draw_split(data_of(numbered(9)), saved, Data(), labels_elsewhere=True)
    assert later.sides() == plan.sides()


def test_where_labels_could_come_from_elsewhere_those_that_are_here_are_used():
    data_set = data_of(numbered(9), numbered(2, "u"))
    assert draw_split(data_set, Split(), Data(), labels_elsewhere=True) == draw_split(data_set, Split(), Data())


def test_no_labels_used_is_refused_where_none_come_from_elsewhere(tmp_path):
    with pytest.raises(DataError, match=r"data\.labelled=0, so that none of 8 patients trains") as caught:
        draw_split(data_of(numbered(10)), Split(), Data(labelled=0))
    assert caught.value.code == "no-labels"
    save_split(SplitPlan((), (), ("a",), ("b",), 0, "by hand"), tmp_path / "split.json")
    with pytest.raises(DataError, match="without training patients"):
        draw_split(data_of("ab"), Split(file=str(tmp_path / "split.json")), Data())


def test_more_folds_than_patients_are_refused():
    with pytest.raises(UsageError, match="4 labelled patients") as caught:
        draw_split(data_of(numbered(4)), Split(folds=5), Data())
    assert caught.value.code == "split-folds"


def test_few_labels_move_only_training_patients_and_keep_the_smaller_choice():
    data_set = data_of(numbered(40), numbered(5, "u"))
    whole = draw_split(data_set, Split(), Data())
    five = draw_split(data_set, Split(), Data(labelled=5))
    ten = draw_split(data_set, Split(), Data(labelled=10))
    assert (len(five.train), len(ten.train)) == (5, 10)
    assert set(five.train) < set(ten.train) < set(whole.train)
    for plan in (five, ten):
        assert (plan.validation, plan.test) == (whole.validation, whole.test)
        assert sorted([*plan.train, *plan.unlabelled]) == sorted([*whole.train, *whole.unlabelled])
    assert "labels of 5 training patients" in five.how


def test_the_seed_of_few_labels_draws_others():
    data_set = data_of(numbered(40))
    drawn = {draw_split(data_set, Split(), Data(labelled=5, labelled_seed=seed)).train for seed in range(5)}
    assert len(drawn) > 1


def test_more_labels_than_there_are_is_refused():
    with pytest.raises(UsageError) as caught:
        draw_split(data_of(numbered(10)), Split(), Data(labelled=9))
    assert caught.value.code == "too-few-labelled"


def test_a_saved_split_comes_back(tmp_path):
    plan = draw_split(data_of(["ä", "肝 1", "c"], ["u"]), Split(seed=4), Data())
    save_split(plan, tmp_path / "split.json")
    assert load_split(tmp_path / "split.json") == plan


def test_a_named_split_is_used_as_it_is(tmp_path):
    save_split(PLAN, tmp_path / "split.json")
    settings = Split(file=str(tmp_path / "split.json"), seed=99)
    plan = draw_split(data_of("abcd", ["u", "new"]), settings, Data())
    assert (plan.train, plan.validation, plan.test, plan.seed) == (("a", "b"), ("c",), ("d",), 3)
    assert plan.unlabelled == ("new", "u")
    assert "1 unlabelled patients are new" in plan.how
    assert draw_split(data_of("abcd", "u"), settings, Data(labelled=1)).unlabelled in (("a", "u"), ("b", "u"))


def test_labelled_patients_that_a_split_leaves_unlabelled_stay_so(tmp_path):
    save_split(PLAN, tmp_path / "split.json")
    plan = draw_split(data_of("abcdu"), Split(file=str(tmp_path / "split.json")), Data())
    assert plan.unlabelled == ("u",)


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "words"),
    [
        ("abc", "u", "without labels in the data: d"),
        ("abc", "du", "without labels in the data: d"),
        ("abcd", "", "not in the data: u"),
        ("abcdx", "u", "does not place: x"),
    ],
)
def test_a_split_of_other_patients_is_refused(tmp_path, labelled, unlabelled, words):
    save_split(PLAN, tmp_path / "split.json")
    with pytest.raises(DataError, match=words) as caught:
        draw_split(data_of(labelled, unlabelled), Split(file=str(tmp_path / "split.json")), Data())
    assert caught.value.code == "split-differs"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"train": "a"}, "json-type"),
        ({"train": [1]}, "split-file"),
        ({"train": ["a", "a"]}, "split-file"),
        ({"test": ["a"]}, "leak-patient"),
        ({"unlabelled": ["c"]}, "leak-patient"),
        ({"seed": "0"}, "json-type"),
        ({"how": None}, "json-type"),
    ],
)
def test_a_split_file_that_is_not_one_is_refused(tmp_path, changes, code):
    path = tmp_path / "split.json"
    save_split(PLAN, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(DataError) as caught:
        load_split(path)
    assert (caught.value.code, caught.value.path) == (code, str(path))


def test_a_missing_split_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        draw_split(data_of("abc"), Split(file=str(tmp_path / "none.json")), Data())


@pytest.mark.parametrize(("first", "second"), [("a", "c"), ("a", "d"), ("c", "d"), ("u", "d"), ("u", "c")])
def test_the_same_voxels_on_two_sides_are_refused(first, second):
    with pytest.raises(DataError, match="same voxels") as caught:
        refuse_leaks(PLAN, {first: {"1", "2"}, second: {"2", "3"}})
    assert caught.value.code == "leak-voxels"
    assert repr(first) in caught.value.found
    assert repr(second) in caught.value.found


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("a", "u"), ("a", "stranger")])
def test_copies_on_one_side_are_no_leak(first, second):
    refuse_leaks(PLAN, {first: {"1"}, second: {"1"}})


def test_a_patient_on_two_sides_is_refused():
    with pytest.raises(DataError, match="'a' in train and in test") as caught:
        refuse_leaks(SplitPlan(("a",), (), ("a",), (), 0, ""), {})
    assert caught.value.code == "leak-patient"
