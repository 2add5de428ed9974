"""What compiled loops read must be what they think it is: they see addresses alone."""

import torch
from torch import Tensor

from graphwsl.errors import ZooError


def require_floats(*tensors: Tensor) -> None:
    """Check that all tensors hold numbers of single precision in the memory of the CPU.

    Raises:
        ZooError: One does not.
    """
    for tensor in tensors:
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            raise ZooError(
                "the compiled loops of zoos take float32 on the CPU, got "
                f"{str(tensor.dtype).removeprefix('torch.')} on {tensor.device}"
            )
