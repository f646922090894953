"""Turn a .pth file into safetensors, as a program that may be stopped: python -m seg.models.unpickle IN OUT.

Even with `weights_only=True` a pickle of 150 bytes can keep torch busy for hours or ask for all memory. This is the
only place of the project that reads a pickle.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

MEMORY_BYTES = 4 << 30
"""What reading may take beyond what torch itself and three copies of the file take."""
DEEPEST = 6
"""Nesting of dictionaries that is followed."""
READY = "ready"


def main(source: str, destination: str) -> int:
    """Read `source`, write its tensors to `destination`; 1 and one line on stderr where that cannot be done."""
    limit_memory(MEMORY_BYTES + 3 * Path(source).stat().st_size)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
        tensors = {name: tensor.detach().contiguous().clone() for name, tensor in _tensors(loaded, "", 0)}
        save_file(tensors, destination)
    except Exception as error:  # whatever a hostile file provokes ends here, in words
        sys.stderr.write(f"{type(error).__name__}: {in_short(error)}\n")
        return 1
    return 0


def in_short(error: Exception) -> str:
    """The reason alone, on one line: torch adds the advice to load without `weights_only`, which nobody should take."""
    paragraphs = str(error).split("WeightsUnpickler error: ")[-1].split("\n\n")
    reasons = (" ".join(paragraph.split()) for paragraph in paragraphs if "weights_only" not in paragraph)
    return " ".join(reason for reason in reasons if reason)[:200]


def _tensors(tree: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Tensor) and tree.layout == torch.strided and not tree.is_quantized and not tree.is_complex():
        yield prefix.removesuffix("."), tree
    elif isinstance(tree, Mapping) and depth < DEEPEST:
        for name, inner in tree.items():
            if isinstance(name, str):
                yield from _tensors(inner, f"{prefix}{name}.", depth + 1)


def limit_memory(more_bytes: int) -> None:
    """Let this process take `more_bytes` beyond what it has now; only Linux can."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (more_bytes, more_bytes))


if __name__ == "__main__":  # pragma: no cover - runs in a process of its own
    sys.exit(main(*sys.argv[1:]))
