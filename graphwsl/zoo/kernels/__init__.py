"""Compiled loops over populations of small networks, batch innermost."""
