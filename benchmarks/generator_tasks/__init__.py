"""Parts of the comparison of generators."""
