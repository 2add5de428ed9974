"""The parts of :mod:`benchmarks.long_range` and :mod:`benchmarks.signal_reach`."""
