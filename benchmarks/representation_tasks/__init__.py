"""The parts of the comparison of representations."""
