"""Read a file of weights that may be broken or hostile."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.models import unpickle

SAFE = (".safetensors",)
PICKLED = (".pth", ".pt", ".bin", ".ckpt")
PICKLE_LIMIT_S = 30.0
"""How long a pickle may take to read once torch is there; a network of a gigabyte takes two seconds."""
LARGEST_BYTES = 20 << 30


@dataclass(frozen=True)
class WeightFile:
    """The tensors of a file, on the CPU."""

    tensors: dict[str, Tensor]
    """Nested dictionaries are joined with dots: `state_dict.layer1.0.conv1.weight`."""
    sha256: str


def read_weight_file(path: Path, *, limit_s: float = PICKLE_LIMIT_S) -> WeightFile:
    """The tensors of a .safetensors, .pth, .pt, .bin or .ckpt file.

    Pickles are read in a process of their own, with `weights_only=True`, a time limit and a memory limit: nothing they
    name is ever called.

    Raises CheckpointError for a file that is missing, of another kind, broken, hostile, or holds values that are not
    finite.
    """
    if not path.is_file() or path.suffix not in SAFE + PICKLED:
        raise _refused(path, "no file of weights", "weights-file")
    if path.stat().st_size > LARGEST_BYTES:
        raise _refused(path, f"{path.stat().st_size >> 30} GiB", "weights-size")
    sha256 = file_sha256(path)
    tensors = _read_safetensors(path) if path.suffix in SAFE else _read_pickle(path, limit_s)
    if not tensors:
        raise _refused(path, "no tensors", "weights-empty")
    broken = [name for name, values in tensors.items() if values.is_floating_point() and not _finite(values)]
    if broken:
        raise _refused(path, f"values that are not finite in {', '.join(broken[:3])}", "weights-not-finite")
    return WeightFile(tensors, sha256)


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values.float() if values.itemsize == 1 else values).all())


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        start = file.read(24)
    if start.startswith(b"version https://git-lfs"):
        raise _refused(path, "a Git LFS pointer instead of the file itself", "weights-broken")
    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, MemoryError, OSError) as error:
        raise _refused(path, f"a broken safetensors file ({_one_line(error)})", "weights-broken") from None


def _read_pickle(path: Path, limit_s: float) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory(prefix="seg-weights-") as folder:
        destination = Path(folder) / "converted.safetensors"
        complaint = _convert(path, destination, limit_s)
        if complaint:
            raise _refused(path, complaint, "weights-pickle")
        return load_file(destination)


def _convert(path: Path, destination: Path, limit_s: float) -> str:
    """Run the converter; what went wrong, or an empty string."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-P", "-W", "ignore", "-m", unpickle.__name__, str(path.resolve()), str(destination)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        if process.stdout is not None:
            process.stdout.readline()  # importing torch takes seconds on a busy machine and is not the file's fault
        try:
            _, complaint = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"a pickle that cannot be read within {limit_s:.0f} s"
    if process.returncode == 0:
        return ""
    last = (complaint.strip().splitlines() or [f"ended with {process.returncode}"])[-1]
    return f"a pickle that holds more than tensors, or is broken ({last[:300]})"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _refused(path: Path, found: str, code: str) -> CheckpointError:
    return CheckpointError(
        found=found,
        expected=f"a file of finite tensors, one of {', '.join(SAFE + PICKLED)}",
        fix="fetch the file again, or choose model.weights=imagenet|none|auto|<file>",
        path=path,
        code=code,
    )
