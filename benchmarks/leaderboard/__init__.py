"""The parts of :mod:`benchmarks.grid_leaderboard`."""
