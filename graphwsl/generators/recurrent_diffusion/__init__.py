"""Recurrent diffusion (RPG, 2025): prototypes of all tokens at once, each token by diffusion."""
