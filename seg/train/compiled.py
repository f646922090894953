"""`train.compile`, with a sentence where the machine cannot."""

import os
import shutil
import sys

from torch import nn

from seg.errors import UsageError


def compile_network(network: nn.Module) -> None:
    """Let torch.compile write the network's kernels; they are compiled when the first batch comes.

    Raises UsageError where there is no compiler: torch would only find out in the first step.
    """
    # As torch._inductor.config.cpp.cxx; on a GPU, Triton needs one too.
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise UsageError(
            found=f"train.compile=true, but no {compiler}", expected="a C++ compiler", code="no-compiler",
            fix=f"install {compiler}, or name another one in the variable CXX, or use train.compile=false",
        )  # fmt: skip
    network.compile()
