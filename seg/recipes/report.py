"""`seg report`: the page of a run, made from what lies in its folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seg.config import Settings
from seg.overrides import config_names, load_organ, to_yaml
from seg.proof.guarded import guard_of
from seg.recipes.lineage import ancestors, named, source_curves, source_name
from seg.recipes.pictures import load_pictures
from seg.recipes.restored import load_restored
from seg.recipes.together import by_first
from seg.records import Manifest, PartRow
from seg.report.html import write_report
from seg.report.page import Ancestor, Page, SourceCurve
from seg.runs import Run


@by_first("writing the report")
def report(run: Run) -> Path:
    """Write `report.html` of a run and return where it lies; the run's own files are all it needs."""
    manifest, settings = run.manifest(), run.settings()
    evaluation, chain, curves = run.evaluation(), ancestors(run), source_curves(run)
    restoration = manifest.results.get("restoration")
    page = Page(
        title=f"{', '.join(load_organ(name).title for name in manifest.organs) or 'Pretraining'}: {run.name}",
        organ_titles=organ_titles(manifest.organs, chain, curves),
        evaluation=evaluation,
        curve=run.curve_rows(),
        best_step=manifest.results.get("best_step"),
        best_of=manifest.results.get("best_of", ""),
        guard=guard_of(run),
        pictures=load_pictures(run.folder / "pictures.npz"),
        data_facts=data_rows(manifest.data),
        notes=(*manifest.notes, *decided(manifest)),
        settings_yaml=to_yaml(without_folders(settings)),
        lineage=lineage_rows(manifest),
        versions=manifest.versions,
        show_names=settings.evaluate.show_names,
        split_words="never used for training",
        parts=tuple(PartRow(**row) for row in manifest.lineage.get("parts", ())),
        chain=chain,
        source_curves=curves,
        restoration=load_restored(run.folder, restoration) if restoration else None,
    )
    write_report(run.report, page)
    return run.report


def organ_titles(organs: Iterable[str], chain: Iterable[Ancestor], curves: Iterable[SourceCurve]) -> dict[str, str]:
    """What the page calls the organs of a run and of those before it; one that is no longer known keeps its name."""
    before = [*(organ for ancestor in chain for organ in ancestor.organs),
              *(organ for curve in curves for organ in curve.organs)]  # fmt: skip
    known = set(config_names("organ"))
    return {organ: load_organ(organ).title for organ in (*organs, *before) if organ in known}


def without_folders(settings: Settings) -> Settings:
    """The settings with files and folders by name alone: where they lie tells of people, not of the model."""
    places = {
        "data": {"root": settings.data.root},
        "split": {"file": settings.split.file},
        "prepare": {"cache": settings.prepare.cache},
        "model": {"weights": settings.model.weights},
        "runs": {"folder": settings.runs.folder},
    }
    tree = _named_places(settings.model_dump())
    for section, words in places.items():
        tree[section] |= {key: named(word) for key, word in words.items()}
    tree["transfer"]["source"] = tuple(named(word) for word in settings.transfer.source)
    return Settings.model_validate(tree)


def _named_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_named_places(inner) for inner in value)
    return named(value) if isinstance(value, str) and value.startswith(("/", "~")) else value


def data_rows(data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the data looked like, as rows for a reader."""
    if not data:
        return ()
    unit = data["unit"]
    patients = ", ".join(f"{count} {side}" for side, count in data["patients"].items())
    least, middle, most = data["slices_per_case"]
    rows = [
        ("Patients", patients),
        ("Layout", data["format"]),
        ("Slices per case", f"{middle} ({least} to {most})"),
        ("Training slices", str(data["training_slices"])),
        ("Pixels per slice (y x x)", _times(data["shape_yx"])),
        ("Pixel size (y x x)", _times(data["spacing_yx"]) + " mm" if unit == "mm" else "not known"),
    ]  # fmt: skip
    for channel, (modality, pair) in enumerate(zip(data["modalities"], data["foreground_percentiles"], strict=True)):
        what, inside = f"Channel {channel + 1}", f"{pair[0]:.4g} to {pair[1]:.4g} (0.5 to 99.5 %)"
        # Without labels nobody knows what is inside the organs.
        known = data["organ_sizes"]
        rows.append((f"{what}: {modality}, inside the organs", inside) if known else (what, modality))
    for organ, (smallest, median, largest) in data["organ_sizes"].items():
        if unit == "mm" and middle > 1:
            rows.append((f"Volume of {organ}", f"{median:.0f} ml ({smallest:.0f} to {largest:.0f})"))
        else:
            rows.append((f"Share of a slice that is {organ}", f"{median:.1%} ({smallest:.1%} to {largest:.1%})"))
    return tuple(rows)


def _times(numbers: list[float]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)


def decided(manifest: Manifest) -> tuple[str, ...]:
    """What the training decided by itself."""
    patients = manifest.data.get("patients", {})
    tested = patients.get("test")
    kept = manifest.results.get("keep_largest", {}) if patients.get("validation") else {}
    nobody = () if tested else ("No patient was kept back, so nothing says how good this model is.",)
    return nobody + tuple(
        f"Small separate parts of {organ} are {'removed' if keep else 'kept'}, as the validation patients decided."
        for organ, keep in kept.items()
    )


def computed_in(results: Mapping[str, Any]) -> str:
    """Number format and device."""
    rounded = " with TF32" if results.get("tf32") else ""
    compiled = ", compiled" if results.get("compiled") else ""
    return f"{results.get('precision', '')}{rounded} on {results.get('device', '')}{compiled}"


def lineage_rows(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Where the model came from."""
    lineage, results = manifest.lineage, manifest.results
    skipped = results.get("skipped_steps", 0)
    tensors = ", ".join(f"{count} {status}" for status, count in lineage.get("tensors", {}).items())
    rows = [
        ("Run", manifest.run),
        ("Started", manifest.created),
        ("Started from", ", ".join(source["run"] for source in lineage.get("sources", ())) or source_name(lineage)),
        ("Path", lineage.get("route", {}).get("path", "")),
        ("sha256 of the weights", str(lineage.get("sha256") or "")),
        ("Tensors", tensors),
        ("Seed", str(manifest.seed)),
        ("Steps", f"{results.get('steps', '')}, best at {results.get('best_step', '')}"),
        ("Training time", f"{results.get('training_s', 0) / 60:.1f} min"),
        ("Computed in", computed_in(results)),
        ("Skipped steps", f"{skipped}, since a gradient overflowed in fp16" if skipped else ""),
        ("Peak memory", f"{results.get('peak_memory_mb', 0)} MB"),
        ("sha256 of the model", str(results.get("model_sha256", ""))),
    ]  # fmt: skip
    return tuple((what, value) for what, value in rows if value)
