"""How settings are made: defaults, then preset, organ file, own YAML files, then `key=value` words.

Values stay text until the schema of `config.py` gives them a type, so `1e-4` is a number and `no` is no surprise.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seg.config import Organ, Section, Settings, config_folder
from seg.errors import UsageError, nearest

Tree = dict[str, Any]
Kind = TypeVar("Kind", bound=Section)


class _TextLoader(yaml.BaseLoader):
    """YAML whose scalars stay text; aliases and duplicate keys are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node; an alias is an error because a few bytes of them can name gigabytes."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; a key that stands twice is an error instead of a silent choice."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str, path: str) -> Any:
    """The tree of texts in `text`; `path` is only named in errors."""
    try:
        return yaml.load(text, _TextLoader)  # noqa: S506 - a BaseLoader constructs nothing but text, lists and dicts
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(
            found=" ".join(str(error).split()) or "too deep a nesting",
            expected="plain YAML",
            fix="mend the line named",
            path=path,
            code="yaml",
        ) from None


def read_yaml_file(path: Path) -> Tree:
    """The settings in a YAML file; anything but a mapping is refused."""
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            found=str(error), expected="a readable YAML file", fix="check the path", path=path, code="config-file"
        ) from None
    if tree in (None, ""):
        return {}
    if not isinstance(tree, dict):
        raise UsageError(
            found=f"a {type(tree).__name__}", expected="a mapping of settings", fix="write `key: value` lines",
            path=path, code="config-file",
        )  # fmt: skip
    return tree


def config_names(kind: str) -> tuple[str, ...]:
    """Names of the shipped files of a kind: `organ`, `preset` or `strategy`."""
    return tuple(sorted(path.stem for path in (config_folder() / kind).glob("*.yaml")))


def load_named(kind: str, name: str) -> Tree:
    """The shipped file of that kind and name; an unknown name gets the nearest known one."""
    known = config_names(kind)
    if name not in known:
        raise UsageError(
            found=f"{kind} {name!r}",
            expected=f"one of {', '.join(known)}",
            fix=f"choose a known {kind}, or add configs/{kind}/{name}.yaml.{nearest(name, known)}",
            code=f"unknown-{kind}",
        )
    return read_yaml_file(config_folder() / kind / f"{name}.yaml")


def load_organ(name: str) -> Organ:
    """The organ of `configs/organ/<name>.yaml`; its `settings:` part is left to `resolve`."""
    tree = {key: value for key, value in load_named("organ", name).items() if key != "settings"}
    return _validated(Organ, {**tree, "name": name}, f"configs/organ/{name}.yaml")


def parse_words(words: Sequence[str]) -> Tree:
    """`optim.lr=3e-4` words as a tree; the last of two equal keys wins, as on any command line."""
    tree: Tree = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(
                found=f"{word!r}", expected="key=value, such as optim.lr=3e-4",
                fix=f"write the setting and its value.{nearest(word, setting_names())}", code="not-key-value",
            )  # fmt: skip
        _put(tree, key, _word_value(text, word))
    return tree


def _word_value(text: str, word: str) -> Any:
    return read_yaml(text, word) if text[:1] in "[{" and text else text


def _put(tree: Tree, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = tree[parent] = {}
        tree = inner
    tree[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """`base` with everything that `over` says, section by section; lists are replaced, not joined."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def resolve(words: Sequence[str], files: Sequence[Path] = (), auto_preset: str = "cpu") -> Settings:
    """The settings of a command: defaults < preset < organ < files < words; errors name the setting and the nearest.

    `auto_preset` is what `preset=auto` means on this machine.
    """
    given: Tree = {}
    for path in files:
        given = merge(given, read_yaml_file(path))
    given = split_lists(merge(given, parse_words(words)))
    first = validate(given)
    preset = auto_preset if first.preset == "auto" else first.preset
    tree = load_named("preset", preset)
    for name in first.organ:
        tree = merge(tree, load_named("organ", name).get("settings") or {})
    return validate(merge(split_lists(tree), {**given, "preset": preset}))


def split_lists(tree: Tree) -> Tree:
    """`organ=liver,pancreas` for `organ=[liver,pancreas]`, for every setting that is a list."""
    lists = {name for name, default in flatten(Settings().model_dump()) if isinstance(default, list | tuple)}
    found: Tree = {}
    for key, value in flatten(tree):
        listed = isinstance(value, str) and value != "null" and (key in lists or key in _TUPLES)
        _put(found, key, [part.strip() for part in value.split(",") if part.strip()] if listed else value)
    return found


_TUPLES = frozenset({"data.spacing_mm", "prepare.window_hu"})
_TABLES = frozenset({"data.labels"})


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every leaf; tables of free keys such as `data.labels` count as one leaf."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in _TABLES:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def setting_names() -> tuple[str, ...]:
    """Every dotted setting, in the order of the schema."""
    return tuple(name for name, _ in flatten(Settings().model_dump()))


def describe() -> Iterator[tuple[str, Any, str, tuple[str, ...]]]:
    """(name, default, meaning, allowed words) of every setting."""
    yield from _describe(Settings, "")


def _describe(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str, tuple[str, ...]]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _describe(field.annotation, f"{prefix}{name}.")
        else:
            meaning = " ".join((field.description or "").split())
            yield f"{prefix}{name}", field.get_default(), meaning, _allowed(field.annotation)


def _allowed(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    if isinstance(annotation, str):
        return (annotation,)
    inner = (word for part in get_args(annotation) for word in _allowed(part))
    return tuple(dict.fromkeys(inner))


def validate(tree: Tree) -> Settings:
    """The typed settings of a tree; the first wrong one raises UsageError with the setting's dotted name."""
    return _validated(Settings, tree, None)


def _validated(kind: type[Kind], tree: Tree, path: str | None) -> Kind:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise _explain(error.errors()[0], path) from None


def _explain(problem: ErrorDetails, path: str | None) -> UsageError:
    name = ".".join(str(part) for part in problem["loc"] if not _is_type_tag(part))
    if problem["type"] == "extra_forbidden":
        known = setting_names()
        hint = nearest(name, known) or nearest(name.split(".")[-1], [key.split(".")[-1] for key in known])
        return UsageError(
            found=f"unknown setting {name!r}", expected="a setting of `seg train --help`",
            fix=f"correct its name.{hint}", path=path, code="unknown-setting",
        )  # fmt: skip
    value = problem["input"]
    allowed = next((words for key, _, _, words in describe() if key == name), ())
    return UsageError(
        found=f"{name}={value}",
        expected=problem["msg"].removeprefix("Input should be ").removeprefix("Value error, "),
        fix=f"give {name} such a value.{nearest(str(value), allowed)}",
        path=path,
        code="bad-value",
    )


def _is_type_tag(part: int | str) -> bool:
    return isinstance(part, int) or not part.isidentifier() or part in ("float", "int", "str", "tuple")


def to_yaml(settings: Settings) -> str:
    """The resolved settings as YAML that `resolve` reads back to the same settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
