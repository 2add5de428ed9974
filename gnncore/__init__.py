"""The shared core: storage today; layers, models and training for graph neural networks next."""
