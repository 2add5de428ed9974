"""Flow matching on aligned networks, flattened: the published way, and the baseline to beat."""
