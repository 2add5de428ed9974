"""The parts of :mod:`benchmarks.long_range`."""
