"""How settings are made: defaults, then preset, organ file, own YAML files, then `key=value` words.

Values stay text until the schema of `config.py` gives them a type, so `1e-4` is a number and `no` is no surprise.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seg.config import Organ, Section, Settings, config_folder
from seg.errors import UsageError, nearest
from seg.knobs import is_knob, joined_components, merge
from seg.registry import COMPONENTS
from seg.schema import TABLES, allowed_words, as_text, expected, flatten, list_names
from seg.schema import describe as describe
from seg.schema import setting_names as setting_names

Tree = dict[str, Any]
Kind = TypeVar("Kind", bound=Section)
_LONGEST_FILE = 1_000_000
"""Characters of a YAML file; settings are far shorter, and a device such as /dev/zero never ends."""


class _TextLoader(yaml.BaseLoader):
    """YAML whose scalars stay text; aliases, tags and duplicate keys are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node; a few bytes of aliases can name gigabytes, and a tag asks for more than text."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases are not allowed", event.start_mark)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise _refused(f"tag {event.tag} is not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; a key that stands twice is an error instead of a silent choice."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key in (key for key, times in keys.items() if times > 1):
            raise _refused(f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def read_yaml(text: str, path: str) -> Any:
    """The tree of texts in `text`; `path` is only named in errors."""
    try:  # A BaseLoader constructs nothing but text, lists and dicts.
        return yaml.load(text, _TextLoader)
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
        tree = read_yaml(_text_of(path), str(path))
    except (OSError, ValueError) as error:
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


def _text_of(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        text = file.read(_LONGEST_FILE + 1)
    if len(text) > _LONGEST_FILE:
        raise ValueError(f"more than {_LONGEST_FILE} characters")
    return text


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
        if not equals or not all(key.split(".")):
            raise UsageError(
                found=f"{word!r}", expected="key=value, such as optim.lr=3e-4",
                fix=f"write the setting and its value.{_meant(word)}", code="not-key-value",
            )  # fmt: skip
        owner = "components." if is_knob(key) else ""
        _put(tree, f"{owner}{key}", _word_value(key, text, word))
    return tree


def _meant(word: str) -> str:
    if word in config_names("organ"):
        return f" Did you mean 'organ={word}'?"
    return nearest(f"{word}=", [f"{name}=" for name in setting_names()])


def _word_value(key: str, text: str, word: str) -> Any:
    """Lists and tables may be written as YAML flow; `{liver:1}` is a table although YAML wants a blank there."""
    several = key in list_names() or any(key == table or key.startswith(f"{table}.") for table in TABLES)
    if several and text.startswith(("[", "{")):
        return read_yaml(re.sub(r":(?=\S)", ": ", text) if text.startswith("{") else text, word)
    return text


def refuse_said_twice(words: Sequence[str], options: Sequence[str]) -> None:
    """Raise UsageError where a word sets what an option of the command line sets as well."""
    for word in words:
        if word.partition("=")[0] in options:
            raise UsageError(
                found=f"{word} beside the option that says the same", expected="either of them",
                fix="leave the word out", code="said-twice",
            )  # fmt: skip


def to_words(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Python values as the words of a command line: `{"optim": {"lr": 1e-3}}` or `{"optim.lr": 1e-3}`."""
    return tuple(f"{name}={as_text(value)}" for name, value in flatten(settings))


def _put(tree: Tree, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = tree[parent] = {}
        tree = inner
    tree[last] = value


def resolve(
    words: Sequence[str], files: Sequence[Path] = (), auto_preset: str = "cpu", source: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a command: defaults < preset < organ < source < strategies < files < words.

    A file that lists `components`, as every run keeps them, decides which there are, unless the words name a strategy.
    `auto_preset` is what `preset=auto` means on this machine; `source` is what a transfer takes over from the settings
    of its source. Errors name the setting and the nearest one.
    """
    given: Tree = {}
    for path in files:
        given = merge(given, read_yaml_file(path))
    said = parse_words(words)
    listed = {} if "strategy" in said else given.get("components", {})
    given = split_lists(merge(given, said))
    first = validate(given)
    preset = auto_preset if first.preset == "auto" else first.preset
    tree = load_named("preset", preset)
    for name in first.organ:
        tree = merge(tree, load_named("organ", name).get("settings") or {})
    tree = merge(tree, source or {})
    strategies = [load_named("strategy", name) for name in first.strategy]
    for strategy in strategies:
        tree = merge(tree, strategy.get("settings") or {})
    lists = [{"components": listed}] if listed else strategies
    components = joined_components(lists, said.get("components", {}), first.strategy)
    return validate({**merge(split_lists(tree), {**given, "preset": preset}), "components": components})


def split_lists(tree: Tree) -> Tree:
    """`organ=liver,pancreas` for `organ=[liver,pancreas]`, for every setting that holds several values."""
    lists = list_names()
    found: Tree = {}
    for key, value in flatten(tree):
        if key in TABLES and isinstance(value, Mapping):
            split = key == "data.labels"
            _put(found, key, {inner: _split(text) if split else text for inner, text in value.items()})
        else:
            _put(found, key, _split(value) if key in lists else value)
    return found


def _split(value: Any) -> Any:
    if not isinstance(value, str) or value == "null":
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def validate(tree: Tree) -> Settings:
    """The typed settings of a tree; the first wrong one raises UsageError with the setting's dotted name."""
    return _validated(Settings, tree, None)


def _validated(kind: type[Kind], tree: Tree, path: str | None) -> Kind:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise _explain(error.errors()[0], path) from None


def _explain(problem: ErrorDetails, path: str | None) -> UsageError:
    name = _setting_of(problem)
    if problem["type"] == "extra_forbidden":
        known = setting_names()
        last = {key.split(".")[-1]: key for key in reversed(known)}
        hint = nearest(name, known) or nearest(last.get(name.split(".")[-1], ""), known)
        hint = hint or nearest(name, [*last, *COMPONENTS.names()])
        return UsageError(
            found=f"unknown setting {name!r}",
            expected="a setting of `seg train --help`, or a component's (`seg list components`)",
            fix=f"correct its name.{hint}", path=path, code="unknown-setting",
        )  # fmt: skip
    value = as_text(problem["input"])
    own_words = problem["msg"].removeprefix("Value error, ")
    return UsageError(
        found=f"{name}={value}",
        expected=own_words if problem["type"] == "value_error" else _wanted(name, own_words),
        fix=f"give {name} such a value.{nearest(value, allowed_words(name))}",
        path=path,
        code="bad-value",
    )


def _wanted(name: str, otherwise: str) -> str:
    return expected(name) or otherwise.removeprefix("Input should be ")


def _setting_of(problem: ErrorDetails) -> str:
    """The dotted name without the position in a list and without the branch of a union that pydantic tried."""
    parts = [str(part) for part in problem["loc"]]
    known = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    if problem["type"] == "extra_forbidden":
        return known[0]
    return next((name for name in known if expected(name)), known[0])


def to_yaml(settings: Settings) -> str:
    """The resolved settings as YAML that `resolve` reads back to the same settings."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
