import pytest

from seg.launch.job import Job
from seg.launch.launcher import open_launcher


def test_a_job_that_fails_twice_is_reported_and_the_others_run(work, mixed, tmp_path, capsys) -> None:
    heard: list[tuple[str, str]] = []
    work.first_time(tmp_path, "killed")  # the process of the tests is not to be killed
    failed = open_launcher("in_process").run(mixed(tmp_path), lambda job, state: heard.append((job.name, state)))
    reason = f"{tmp_path / 'scan.nii.gz'}: found nothing; expected something. To do: bring it."
    assert [(each.job.name, each.reason) for each in failed] == [("in vain", reason)]
    assert ("in vain", f"again: {reason}") in heard
    assert heard[-3:] == [
        ("failed once", "started"), ("failed once", "again: ValueError: not yet"), ("failed once", "finished")
    ]  # fmt: skip
    assert {path.name for path in tmp_path.glob("*.txt")} == {
        "square-3.txt", "square-4.txt", "killed.txt", "failed.txt"
    }  # fmt: skip
    # What nobody expected is shown with its place in the program.
    assert "raise ValueError" in capsys.readouterr().err


def test_a_signal_ends_everything_as_without_a_launcher() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_launcher("in_process").run([Job("one", interrupted), Job("two", print)])
