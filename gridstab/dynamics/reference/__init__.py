"""Adaptive Runge–Kutta engines in double precision: slow, plain, and the truth of the fast ones."""
