import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seg import api
from seg.cli import main
from seg.data.phantom.layouts import write_phantoms
from seg.errors import DataError
from seg.overrides import resolve
from seg.records import Evaluation, Finding, Interval
from seg.runs import Run, new_manifest

VERBS = (
    "train", "pretrain", "transfer", "advise", "prove", "compare", "predict", "evaluate", "report", "check",
    "prepare", "phantom", "list", "completion",
)  # fmt: skip


def _modules_after(*arguments: str) -> set[str]:
    program = (
        "import sys; from seg.cli import main; code = main(sys.argv[1:]);"
        "print('\\nMODULES', *sorted(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


def test_help_starts_without_anything_heavy():
    loaded = _modules_after("--help")
    assert not {"torch", "numpy", "pydantic", "rich", "monai", "scipy"} & loaded


def test_lists_and_mistakes_come_without_torch():
    assert "torch" not in _modules_after("list", "settings")
    assert "torch" not in _modules_after("list", "losses")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: seg {verb}" in shown
    assert "--debug" in shown


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_verb_the_verbs_are_shown(arguments, capsys):
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in VERBS)
    assert "..." not in shown.replace("runs, ...", "").replace("[ARGS]...", "")
    assert "complete-line" not in shown


def test_the_help_of_train_explains_every_setting(capsys):
    main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for row in api.listing("settings").rows:
        name, default, meaning, values = row
        assert f"{name} {meaning} [{default}; {values}]" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["trian"], 2, "Did you mean 'train'"),
        (["train", "--dry-rnu"], 2, "Did you mean --dry-run?"),
        (["phantom"], 2, "Missing option '--output'"),
        (["phantom", "-o", "x", "--scanner", "c"], 2, "'a', 'b'"),
        (["phantom", "-o", "x", "--labelled", "-1"], 2, "-1 labelled"),
        (["predict", "liver"], 2, "Missing argument"),
        (["completion", "fish"], 2, "'bash', 'zsh'"),
        (["list", "orgns"], 2, "Did you mean 'organs'?"),
        (["train", "organ=livr"], 2, "Did you mean 'liver'?"),
        (["train", "liver"], 2, "Did you mean 'organ=liver'?"),
        (["train", "optim.lrr=1"], 2, "Did you mean 'optim.lr'?"),
        (["train", "loss.mask=dice_focl"], 2, "Did you mean 'dice_focal'?"),
        (["train", "evaluate.metrics=dise"], 2, "Did you mean 'dice'?"),
        (["train", "data.format=nifty"], 2, "Did you mean 'nifti'?"),
        (["train", "strategy=supervized"], 2, "Did you mean 'supervised'?"),
        (["check", "optim.lr=fast"], 2, "a number above 0 and below 1"),
        (["train", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["train", "--resume", "nothing"], 5, "no run 'nothing'"),
        (["train", "--resume", "nothing", "optim.lr=1e-3"], 2, "leave the settings out"),
        (["train", "runs.folder=/dev/null/runs"], 4, "Not a directory"),
        (["report", "nothing"], 5, "no run 'nothing'"),
        (["predict", "nothing", "in", "-o", "out"], 5, "no run 'nothing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_its_code_and_one_message(arguments, code, sentence, capsys):
    assert main(arguments) == code
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert "to do" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_debug_adds_the_traceback(capsys):
    assert main(["train", "organ=livr", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["--debug", "train", "organ=livr"]) == 2
    assert "Traceback" in capsys.readouterr().err


def _raising(error):
    def verb(*arguments, **options):
        raise error

    return verb


def test_an_error_that_nobody_expected_asks_for_debug_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(api, "report", _raising(ZeroDivisionError("a/b")))
    assert main(["report", "liver"]) == 1
    assert capsys.readouterr().err == "Error: ZeroDivisionError: a/b. Run it again with --debug for the details.\n"


def test_an_interrupt_ends_with_130(monkeypatch, capsys):
    monkeypatch.setattr(api, "report", _raising(KeyboardInterrupt()))
    assert main(["report", "liver"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_error_names_the_file(monkeypatch, capsys):
    error = DataError(found="2 axes", expected="3 axes", fix="save it again", path="a/b.nii.gz", code="axes")
    monkeypatch.setattr(api, "check", _raising(error))
    assert main(["check"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Error: a/b.nii.gz", "  found     2 axes", "  expected  3 axes", "  to do     save it again"]


def test_show_config_prints_what_config_reads_back(capsys, tmp_path):
    words = ["organ=spleen", "preset=quick", "optim.lr=1e-4", "data.labels={spleen:[1,3]}"]
    assert main(["train", *words, "--show-config"]) == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown)["train"]["steps"] == 300
    path = tmp_path / "own.yaml"
    path.write_text(shown)
    assert main(["train", "--config", str(path), "--show-config"]) == 0
    assert capsys.readouterr().out == shown


def test_several_config_files_are_read_in_order(tmp_path, capsys):
    for name, steps in (("a", 1), ("b", 2)):
        (tmp_path / name).write_text(f"preset: quick\ntrain: {{steps: {steps}}}\n")
    main(["train", "--config", str(tmp_path / "a"), "--config", str(tmp_path / "b"), "--show-config"])
    assert yaml.safe_load(capsys.readouterr().out)["train"]["steps"] == 2


def test_a_list_is_one_line_per_row_for_scripts(capsys):
    assert main(["list", "organs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[0] == "organ"
    assert "liver" in [line.split("\t")[0] for line in lines]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """Four labelled patients and one without labels, small enough to be read in no time."""
    root = tmp_path_factory.mktemp("data") / "ph"
    return write_phantoms(root, "decathlon", labelled=4, unlabelled=1, size=(12, 64, 64))


def test_phantoms_are_written(capsys):
    assert main(["phantom", "-o", "ph", "--layout", "nnunet", "--labelled", "1", "--seed", "4"]) == 0
    assert capsys.readouterr().out == "ph\n"
    assert os.listdir("ph/labelsTr")


def test_sound_data_are_found_sound(small_data, capsys):
    assert main(["check", f"data.root={small_data}", "organ=spleen"]) == 0
    assert "5 cases read, 0 errors" in capsys.readouterr().out


def test_a_broken_scan_is_a_row_of_the_table_and_ends_with_3(small_data, capsys):
    shutil.copytree(small_data, "broken")
    scan = min(Path("broken", "imagesTr").glob("*.nii.gz"))
    os.truncate(scan, 200)
    assert main(["check", "data.root=broken"]) == 3
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["severity", "file", "found", "expected", "fix"]
    assert lines[1][0] == "error"
    assert str(scan).endswith(lines[1][1])


def test_prepare_says_what_the_network_will_see(small_data, capsys):
    assert main(["prepare", f"data.root={small_data}", "prepare.size_px=64"]) == 0
    shown = capsys.readouterr().out
    assert "validation  1 cases" in shown
    assert "unlabelled  1 cases" in shown
    assert "64 x 64 pixels" in shown


def test_train_hands_everything_to_the_function_of_that_name(monkeypatch, capsys):
    seen = {}
    monkeypatch.setattr(api, "train", lambda **options: seen.update(options))
    assert main(["train", "organ=liver", "--dry-run", "--runs", "r"]) == 0
    assert seen["given"] == ["organ=liver"]
    assert (seen["dry_run"], seen["resume"], str(seen["runs"])) == (True, None, "r")


def test_train_says_where_the_run_lies(monkeypatch, capsys, tmp_path):
    run = Run(tmp_path)
    run.write_manifest(new_manifest(run, "train", resolve([])))
    monkeypatch.setattr(api, "train", lambda **options: run)
    assert main(["train"]) == 0
    shown = capsys.readouterr().out
    assert shown == f"No patient was kept back, so nothing says how good this model is.\nRun: {tmp_path}\n"


def test_report_says_where_the_page_lies(monkeypatch, capsys):
    monkeypatch.setattr(api, "report", lambda run, runs: Path(runs, run, "report.html"))
    assert main(["report", "liver-1", "--runs", "elsewhere"]) == 0
    assert capsys.readouterr().out == "Report: elsewhere/liver-1/report.html\n"


def test_completion_is_printed_and_asked(capsys):
    assert main(["completion", "bash"]) == 0
    assert "complete -F _seg_complete seg" in capsys.readouterr().out
    assert main(["complete-line", "--", "seg train organ=li"]) == 0
    assert capsys.readouterr().out == "organ=liver\n"


def test_predict_tells_what_failed_and_ends_with_3(monkeypatch, capsys):
    bad = Finding("error", "gzip-crc", "c2.nii.gz", "a wrong checksum", "the data written", "copy it again")

    class Outcome:
        done, skipped, failed = 2, 1, (bad,)

    monkeypatch.setattr(api, "predict", lambda *arguments, **options: Outcome())
    assert main(["predict", "liver", "in", "-o", "out"]) == 3
    shown = capsys.readouterr().out
    assert "c2.nii.gz\ta wrong checksum\tthe data written\tcopy it again" in shown
    assert "2 done, 1 finished before, 1 failed: out" in shown


def test_evaluate_shows_means_with_intervals_and_counts(monkeypatch, capsys):
    summary = {"liver": {"dice": Interval(0.91234, 0.9, 0.93, 7, 1), "hd95": Interval(None, None, None, 0, 8)}}
    result = Evaluation((), summary, {}, "mm", notes=("c9 has no prediction",))
    monkeypatch.setattr(api, "evaluate", lambda *arguments, progress: result)
    assert main(["evaluate", "p", "r", "-o", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "liver\tDice\t0.912\t0.900 to 0.930\t7\t1"
    assert lines[2] == "liver\tHD95\tundefined\t\t0\t8"
    assert lines[3:] == ["Note: c9 has no prediction", "Report: out/report.html"]


def test_python_m_seg_is_seg():
    done = subprocess.run([sys.executable, "-m", "seg", "list", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "kind 'nothing'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "resume"),
    [
        (["--resume"], True),
        (["--resume", "--runs", "r"], True),
        (["--resume", "liver-1"], "liver-1"),
        (["--resume=liver-1"], "liver-1"),
        (["--new"], None),
    ],
)
def test_resume_may_stand_alone(arguments, resume, monkeypatch):
    seen = {}
    monkeypatch.setattr(api, "train", lambda **options: seen.update(options))
    assert main(["train", *arguments]) == 0
    assert (seen["resume"], seen["new"]) == (resume, arguments == ["--new"])


def test_with_nothing_to_go_on_with_resume_says_so(capsys):
    assert main(["train", "--resume"]) == 5
    assert "nothing to go on with: no run" in capsys.readouterr().err
