"""A predictor: a straight line through the norm of all weights."""

import numpy as np
import torch

from graphwsl.properties import Predictor, register_predictor


@register_predictor
class OfTheNorm(Predictor):
    """A straight line through the norm of all weights."""

    name, invariant, mixed = "own_norm", True, True

    def _norms(self, population):
        return np.array([float(state.norm()) for state in population.states])

    def _fit(self, train, train_label, valid, valid_label, progress):
        self.line = np.polyfit(self._norms(train), train_label.numpy(), 1)

    def _predict(self, population):
        return torch.from_numpy(np.polyval(self.line, self._norms(population))).float()[:, None]

    def _state(self):
        return {"line": self.line}, {}

    def _restore(self, arrays, state):
        self.line = arrays["line"]
