from seg.launch.job import Job
from seg.launch.tries import Tries

JOB = Job("one", print)


def _told(*reasons: str) -> tuple[list[str], list[str]]:
    """What a listener hears of a job that ends so often, and why it failed."""
    heard: list[str] = []
    tries = Tries(lambda job, state: heard.append(state))
    for reason in reasons:
        tries.begin(JOB)
        tries.end(JOB, reason)
    return heard, [failed.reason for failed in tries.failed]


def test_a_job_that_is_done_is_not_tried_again() -> None:
    assert _told("") == (["started", "finished"], [])


def test_a_job_that_failed_once_may_still_be_done() -> None:
    assert _told("killed by signal 9", "") == (["started", "again: killed by signal 9", "finished"], [])


def test_a_job_fails_for_the_reason_of_its_first_try_whatever_follows() -> None:
    heard, reasons = _told("killed by signal 9", "the run is in use")
    assert heard == ["started", "again: killed by signal 9", "failed: the run is in use"]
    assert reasons == ["killed by signal 9; then: the run is in use"]
    assert _told("no scan", "no scan")[1] == ["no scan"]
