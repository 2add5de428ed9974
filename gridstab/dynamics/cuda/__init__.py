"""The GPU engine: one kernel that advances thousands of trajectories at once."""
