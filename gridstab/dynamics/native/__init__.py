"""The CPU engine: many trajectories advance together, one in each lane of the SIMD registers."""
