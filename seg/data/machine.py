"""How much memory the program can still have, for sentences about too little of it."""

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

_SYSTEM = Path("/")
"""Where `proc`, `sys` and `dev` are."""


def free_ram_bytes(system: Path = _SYSTEM) -> int | None:
    """Memory that the machine, a container's limit and the process's own limit all still allow; None if unknown."""
    found = [*_of_machine(system), *_of_group(system), *_of_process(system)]
    return max(0, min(found)) if found else None


def free_memory_text(system: Path = _SYSTEM) -> str:
    """`1.2 GB of RAM and 0.1 GB of /dev/shm free`, as far as the system says."""
    ram, shared = free_ram_bytes(system), system / "dev" / "shm"
    parts = [] if ram is None else [f"{gigabytes(ram)} of RAM"]
    parts += [f"{gigabytes(shutil.disk_usage(shared).free)} of /dev/shm"] if shared.is_dir() else []
    return f"{' and '.join(parts)} free" if parts else "free memory unknown"


def gigabytes(count: float) -> str:
    """`12 GB`, `1.2 GB`, `0.05 GB`."""
    size = count / 1e9
    return f"{size:.0f} GB" if size >= 10 else f"{size:.1f} GB" if size >= 0.95 else f"{size:.2f} GB"


def _of_machine(system: Path) -> Iterator[int]:
    for line in _text(system / "proc" / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_group(system: Path) -> Iterator[int]:
    """What containers and schedulers still allow; a group's limit binds those below it too."""
    root = system / "sys" / "fs" / "cgroup"
    for line in _text(system / "proc" / "self" / "cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        own, limit, used = root, "memory.max", "memory.current"
        if controllers == "memory":
            own, limit, used = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif controllers:
            continue
        group = own / name.lstrip("/")
        for folder in (group, *group.parents):
            most, taken = _text(folder / limit).strip(), _text(folder / used).strip()
            if most.isdigit() and taken.isdigit():
                yield int(most) - int(taken) + _cached(folder)
            if folder == own:
                break


def _cached(group: Path) -> int:
    """Files that a group keeps in memory and gives up when memory is short, as `kubectl top` counts them."""
    lines = (line.split() for line in _text(group / "memory.stat").splitlines())
    return next((int(line[1]) for line in lines if line[0] in ("total_inactive_file", "inactive_file")), 0)


def _of_process(system: Path) -> Iterator[int]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(system / "proc" / "self" / "statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
