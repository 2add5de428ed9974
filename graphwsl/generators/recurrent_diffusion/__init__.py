"""Recurrent diffusion (RPG, 2025): prototypes of all tokens at once, then each token by diffusion."""
