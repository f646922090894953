import pickle
from pathlib import Path

from seg.launch.job import Job
from seg.overrides import resolve, validate
from seg.recipes import proof_jobs
from seg.recipes.arms import scratch
from seg.recipes.proof_checks import Planned
from seg.recipes.proof_jobs import Told, job_of, train_arm


def _planned(count, folder=Path("runs")):
    settings = resolve(["organ=pancreas", f"runs.folder={folder}"])
    named = [
        settings.model_copy(update={"runs": settings.runs.model_copy(update={"name": f"scratch-2-{seed}"})})
        for seed in range(count)
    ]
    return [Planned(scratch(), 2, seed, own) for seed, own in enumerate(named)]


def _job(name):
    return Job(name, train_arm)


def test_every_training_that_ends_is_a_line_with_the_time_that_is_left(monkeypatch):
    lines, clock = [], iter([0.0, 60.0, 300.0, 480.0])
    monkeypatch.setattr(proof_jobs, "end_of", lambda planned: "ended at Dice 0.500")
    told = Told(_planned(3), lines.append, lambda: next(clock))
    told(_job("scratch-2-0"), "started")
    told(_job("scratch-2-0"), "finished")
    told(_job("scratch-2-1"), "again: killed by signal 9")
    told(_job("scratch-2-1"), "failed: no memory")
    told(_job("scratch-2-2"), "finished")
    assert lines == [
        "Training scratch-2-0, 3 in all",
        "1 of 3 trainings: scratch-2-0 ended at Dice 0.500; about 2 min left",
        "scratch-2-1 is tried once more: killed by signal 9",
        "2 of 3 trainings: scratch-2-1 failed twice: no memory; about 2 min left",
        "3 of 3 trainings: scratch-2-2 ended at Dice 0.500; all took 8 min",
    ]


def test_a_job_is_plain_values_that_become_the_same_settings(monkeypatch):
    (planned,) = _planned(1)
    job = pickle.loads(pickle.dumps(job_of(planned)))
    assert job.name == "scratch-2-0"
    (plain,) = job.arguments
    assert validate(plain) == planned.settings
    trained = []
    monkeypatch.setattr(proof_jobs, "transfer", lambda settings, console: trained.append(settings))
    job.function(*job.arguments)
    assert trained == [planned.settings]
