"""Find a component by name. The name is the file's name, so adding a component is adding a file."""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from seg.errors import UsageError, nearest


@dataclass(frozen=True)
class ExtensionPoint:
    """A package whose files are interchangeable components of one kind."""

    package: str
    """Dotted name, such as `seg.data.formats`."""
    kind: str
    """What a person calls one of them, such as `format`."""
    base: str = ""
    """The file that holds the contract, not a component; empty where the contract lives elsewhere."""

    @property
    def folder(self) -> Path:
        """Where the components' files lie."""
        return Path(__file__).parent.joinpath(*self.package.split(".")[1:])

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted; imports no component."""
        found = (module.name for module in pkgutil.iter_modules([str(self.folder)]))
        return tuple(sorted(name for name in found if name != self.base and not name.startswith("_")))

    def load(self, name: str) -> ModuleType:
        """The module of that name; an unknown one raises UsageError with the nearest known name."""
        self.require(name)
        return importlib.import_module(f"{self.package}.{name}")

    def require(self, name: str) -> None:
        """Raise UsageError with the nearest known name where there is no such component; imports none."""
        known = self.names()
        if name not in known:
            raise UsageError(
                found=f"{self.kind} {name!r}",
                expected=f"one of {', '.join(known)}",
                fix=f"choose a known {self.kind}.{nearest(name, known)}",
                code=f"unknown-{self.kind}",
            )


FORMATS = ExtensionPoint("seg.data.formats", "format", base="layout")
METRICS = ExtensionPoint("seg.evaluate.metrics", "metric", base="masks")
LOSSES = ExtensionPoint("seg.losses", "loss")
COMPONENTS = ExtensionPoint("seg.transfer", "component", base="component")
MEASURES = ExtensionPoint("seg.advise.measures", "measure", base="measure")
LAUNCHERS = ExtensionPoint("seg.launch.launchers", "launcher")

EXTENSION_POINTS = (FORMATS, METRICS, LOSSES, COMPONENTS, MEASURES, LAUNCHERS)
