"""The house as architecture rules: which way imports go, what code may call, how long things are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from seg.registry import EXTENSION_POINTS, ExtensionPoint

PACKAGE = Path(__file__).parent.parent / "seg"
LEVELS: list[list[set[str]]] = [
    # Upper may import lower; groups side by side never import each other.
    [{"__main__"}],
    [{"cli"}],
    [{"verbs"}],
    [{"app", "command", "completion", "console"}],
    [{"__init__"}],
    [{"api"}],
    [{"recipes"}],
    [{"launch"}],
    [{"report"}, {"train"}, {"advise"}, {"explain"}],
    [{"transfer"}, {"evaluate"}, {"proof"}],
    [{"data"}, {"models"}, {"losses"}],
    [{"runs"}],
    [
        {
            "config",
            "advice_settings",
            "organ",
            "overrides",
            "knobs",
            "schema",
            "values",
            "registry",
            "atomic",
            "lock",
            "digest",
        }
    ],
    [{"types", "records", "errors", "progress", "processes"}],
]
WITHOUT_TORCH = (
    "cli",
    "verbs",
    "app",
    "command",
    "completion",
    "console",
    "config",
    "advice_settings",
    "organ",
    "overrides",
    "knobs",
    "schema",
    "values",
    "registry",
    "atomic",
    "lock",
    "digest",
)
WITHOUT_TORCH += ("runs", "types", "records", "errors", "progress", "processes", "report", "proof", "launch")
WITHOUT_TORCH += ("__init__", "__main__")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
RECORDS = {"format": "LAYOUT", "metric": "METRIC", "loss": "LOSS", "component": "COMPONENT", "measure": "MEASURE"}
RECORDS |= {"launcher": "LAUNCHER"}


@cache
def _sources(package: Path) -> dict[str, ast.Module]:
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def _imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """Modules of seg that a file imports anywhere, as their dotted names below seg."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name[4:] for alias in node.names if alias.name.startswith("seg."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "seg":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"[4:]
                yield full if full in known else node.module[4:] or "__init__"


def _place(module: str) -> tuple[int, int]:
    room = module.split(".")[0]
    for level, groups in enumerate(LEVELS):
        for number, group in enumerate(groups):
            if room in group:
                return level, number
    raise AssertionError(f"seg.{module} has no level: add it to LEVELS and to the tree in the README")


def _violations(package: Path) -> list[str]:
    sources = _sources(package)
    found = []
    for module, tree in sources.items():
        level, group = _place(module)
        for target in _imports(tree, set(sources)):
            target_level, target_group = _place(target)
            sideways = target_level == level and target_group != group
            if target_level < level or sideways:
                found.append(f"seg.{module} may not import seg.{target}")
    return found


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of modules, or nothing."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for target in sorted(graph.get(module, ())):
            if cycle := visit(target, [*path, module]):
                return cycle
        finished.add(module)
        return []

    return next((cycle for module in sorted(graph) if (cycle := visit(module, []))), [])


def _graph(package: Path) -> dict[str, set[str]]:
    sources = _sources(package)
    return {module: set(_imports(tree, set(sources))) - {module} for module, tree in sources.items()}


def _third_party(tree: ast.AST) -> set[str]:
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


def _calls(name: str) -> list[str]:
    """Where a dotted name such as `torch.load` or a plain one such as `eval` is called."""
    return [
        f"{module}:{node.lineno}"
        for module, tree in _sources(PACKAGE).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def test_imports_go_down_and_never_sideways():
    assert _violations(PACKAGE) == []


def test_modules_do_not_import_in_a_circle():
    assert _cycle(_graph(PACKAGE)) == []


def _plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "seg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "seg"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data/bad.py", "from seg.train.loop import run"),
        ("data/bad.py", "from seg import recipes"),
        ("data/bad.py", "import seg.models.network"),
        ("report/bad.py", "def late():\n    from seg.train import loop"),
        ("errors.py", "from seg.config import Settings"),
        ("transfer/bad.py", "from seg.evaluate.score import summarise"),
    ],
)
def test_a_planted_wrong_import_is_caught(tmp_path, name, text):
    package = _plant(tmp_path, {name: text, "train/loop.py": "", "recipes/__init__.py": "", "models/network.py": ""})
    assert len(_violations(package)) == 1


def test_a_planted_circle_is_caught(tmp_path):
    package = _plant(tmp_path, {"data/a.py": "from seg.data import b", "data/b.py": "from seg.data.a import x"})
    assert _cycle(_graph(package)) == ["data.a", "data.b", "data.a"]


def test_a_module_without_a_level_is_named(tmp_path):
    package = _plant(tmp_path, {"drawer.py": ""})
    with pytest.raises(AssertionError, match=r"seg\.drawer has no level"):
        _violations(package)


def test_imports_are_absolute():
    relative = [
        f"{module}:{node.lineno}"
        for module, tree in _sources(PACKAGE).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_file_is_a_drawer():
    assert [module for module in _sources(PACKAGE) if DRAWERS & set(module.split("."))] == []


def test_torch_stays_out_of_what_must_start_quickly():
    sources = _sources(PACKAGE)
    light = {module: tree for module, tree in sources.items() if module.split(".")[0] in WITHOUT_TORCH}
    assert len(light) >= len(WITHOUT_TORCH)
    assert [module for module, tree in light.items() if "torch" in _third_party(tree)] == []


def test_a_page_and_a_run_can_be_read_without_torch():
    report = [module for module in _sources(PACKAGE) if module.startswith("report.")]
    names = ["seg.cli", "seg.completion", "seg.runs", "seg.recipes.listing", "seg.recipes.compare"]
    names += [f"seg.{module}" for module in report]
    program = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_weights_are_unpickled_in_one_place_only():
    assert len(_calls("torch.load")) == 1


def test_nothing_that_is_read_can_become_code():
    assert [place for name in ("eval", "exec", "__import__", "os.system", "os.popen") for place in _calls(name)] == []
    forbidden = {"pickle", "marshal", "shelve", "dill", "joblib", "runpy"}
    assert [module for module, tree in _sources(PACKAGE).items() if forbidden & _third_party(tree)] == []


def test_modules_are_found_by_name_in_the_registry_only():
    places = {place.split(":")[0] for place in _calls("importlib.import_module")}
    assert places == {"__init__", "registry"}


def test_yaml_is_read_as_text_in_one_place_only():
    loaders = ("yaml.safe_load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.safe_load_all")
    assert [place for name in loaders for place in _calls(name)] == []
    assert [place.split(":")[0] for place in _calls("yaml.load")] == ["overrides"]


def test_no_command_goes_through_a_shell():
    shells = [
        module
        for module, tree in _sources(PACKAGE).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "shell"
    ]
    assert shells == []


def test_files_stay_below_300_lines_and_functions_below_50():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long_files = [str(path) for path in PACKAGE.rglob("*.py") if len(path.read_text().splitlines()) > 300]
    long_functions = [
        f"{module}.{node.name}"
        for module, tree in _sources(PACKAGE).items()
        for node in ast.walk(tree)
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno > 50
    ]
    assert (long_files, long_functions) == ([], [])


@pytest.mark.parametrize("point", EXTENSION_POINTS, ids=lambda point: point.kind)
def test_every_file_of_an_extension_point_offers_its_record(point: ExtensionPoint):
    assert point.names()
    for name in point.names():
        record = vars(point.load(name)).get(RECORDS[point.kind])
        assert record is not None, f"{point.package}.{name} has no {RECORDS[point.kind]}"
        assert vars(record).get("name", name) == name
