"""Whole numbers from a seed that are the same on every processor and with every NumPy."""

import numpy as np
from jaxtyping import Int32


class Draws:
    """Whole numbers from the raw bits of Philox, which no version of NumPy changes.

    Args:
        seed: Seed of the stream.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=seed)

    def whole(self, shape: tuple[int, ...], low: int, high: int) -> Int32[np.ndarray, "..."]:
        """From ``low`` to ``high - 1``, of 16 bits each, equally often to 1 in 2¹⁶."""
        numbers = int(np.prod(shape))
        words = self._bits.random_raw(-(-numbers // 4)).astype("<u8")
        bits = words.view("<u2")[:numbers].astype(np.int64).reshape(shape)
        return (low + ((bits * (high - low)) >> 16)).astype(np.int32)

    def around(self, shape: tuple[int, ...], most: int) -> Int32[np.ndarray, "..."]:
        """From ``-most`` to ``most``."""
        return self.whole(shape, -most, most + 1)
