"""Names of devices, as settings take them."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _known(name: str) -> str:
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", name) is None:
        raise ValueError(f"one is called auto, cpu, cuda or cuda:1, …, got {name!r}")
    return name


DeviceName = Annotated[str, AfterValidator(_known)]
"""``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` …"""
