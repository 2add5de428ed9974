"""Pictures and reports of simulated grids."""
