"""Sentences on what a reader must know before trusting the numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import fmean

from seg.records import Evaluation
from seg.report.names import Names
from seg.report.numbers import count_text, look_of

FEW_PATIENTS = 10
LOW_DICE = 0.5
_MOST_LISTED = 12
_NOTE_SENTENCES = {
    "prediction missing": "{cases} without a prediction, counted as Dice 0.",
    "prediction empty": "{cases} in which nothing was predicted although the reference shows the organ.",
    "reference empty": "{cases} in which something was predicted although the reference shows no organ.",
    "both empty": "{cases} in which neither mask shows the organ: left out of the mean.",
}


def warnings_of(evaluation: Evaluation, names: Names, organ_titles: dict[str, str]) -> tuple[str, ...]:
    """What deserves attention in these results, the gravest first; empty where nothing does."""
    found: list[str] = []
    for organ in organs_of(evaluation):
        title = organ_titles.get(organ) or organ
        sentences = (*_low(evaluation, organ, names), *_notes(evaluation, organ), *_undefined(evaluation, organ))
        found.extend(f"{title}: {sentence}" for sentence in sentences)
    return (*found, *_few(evaluation), *_pixels(evaluation))


def organs_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Every organ that was summarised or scored."""
    return tuple(dict.fromkeys((*evaluation.summary, *(score.organ for score in evaluation.cases))))


def patient_values(evaluation: Evaluation, organ: str, metric: str) -> dict[str, float]:
    """Patient to the mean over that patient's cases in which the metric is defined."""
    values: dict[str, list[float]] = defaultdict(list)
    for score in evaluation.cases:
        value = score.values.get(metric)
        if score.organ == organ and value is not None:
            values[score.patient].append(value)
    return {patient: fmean(several) for patient, several in sorted(values.items())}


def _low(evaluation: Evaluation, organ: str, names: Names) -> Iterator[str]:
    dice = patient_values(evaluation, organ, "dice")
    low = [names.patients[patient] for patient, value in dice.items() if value < LOW_DICE]
    if low:
        more = f" and {len(low) - _MOST_LISTED} more" if len(low) > _MOST_LISTED else ""
        listed = ", ".join(low[:_MOST_LISTED])
        yield f"Dice is below {LOW_DICE} in {len(low)} of {count_text(len(dice), 'patient')} ({listed}{more})."


def _notes(evaluation: Evaluation, organ: str) -> Iterator[str]:
    counts = Counter(score.note for score in evaluation.cases if score.organ == organ)
    for note, sentence in _NOTE_SENTENCES.items():
        if counts[note]:
            yield sentence.format(cases=count_text(counts[note], "case"))


def _undefined(evaluation: Evaluation, organ: str) -> Iterator[str]:
    summary = evaluation.summary.get(organ, {}).items()
    left_out = {look_of(metric).title: interval.n_undefined for metric, interval in summary if interval.n_undefined}
    for number in sorted(set(left_out.values()), reverse=True):
        titles = ", ".join(title for title, missing in left_out.items() if missing == number)
        verb = "have" if "," in titles else "has"
        everyone = not any(interval.n for _, interval in summary if interval.n_undefined == number)
        whom = "any patient" if everyone else f"{count_text(number, 'patient')}; the mean is that of the others"
        yield f"{titles} {verb} no value for {whom}."


def _few(evaluation: Evaluation) -> Iterator[str]:
    patients = len({score.patient for score in evaluation.cases})
    if 0 < patients < FEW_PATIENTS:
        yield (
            f"Only {count_text(patients, 'patient')} {'was' if patients == 1 else 'were'} evaluated: "
            "the intervals are rough, and failures that are rare may not have shown."
        )


def _pixels(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.distance_unit == "px":
        yield "The scans do not state their spacing: distances are in pixels, not in millimetres."
