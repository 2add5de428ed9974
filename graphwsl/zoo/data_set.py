"""The data that networks of a zoo learn from: samples with labels, split once and for all."""

import hashlib
from dataclasses import dataclass, fields

import torch
from jaxtyping import Shaped
from torch import Tensor

from graphwsl.arguments import described
from graphwsl.errors import ZooError
from graphwsl.zoo.inputs import factors_of_sample

MOST_CLASSES = 2**16


@dataclass(frozen=True, eq=False)
class DataSet:
    """Samples with classes, or with numbers to approximate.

    Samples are images ``(channels, height, width)``, rows of features ``(features,)``, coordinates
    among them, or texts ``(length,)`` of whole tokens. Their labels are

    - classes from 0, whole numbers: one a sample, or one a token ``(length,)``; networks learn by
      cross-entropy and give ``(batch, [length,] classes)``,
    - numbers ``(outputs,)``: networks learn by the mean squared error and give
      ``(batch, outputs)``.

    With ``signals``, labels have a further first dimension, and the factor ``signal`` says which
    of them a network learns: an implicit representation each.

    Attributes:
        train: Samples for training.
        train_labels: Their labels.
        test: Samples for testing.
        test_labels: Their labels.
        classes: Number of classes; None where labels are numbers.
        vocabulary: Number of tokens; None where samples are no texts.
        signals: Number of signals; None where all networks learn the same labels.
        descriptions: What each signal is in words, a prompt a line; None where nobody says.

    Raises:
        ZooError: Tensors that do not fit together, are of another type, or are not finite.
    """

    train: Shaped[Tensor, "train_samples *sample"]
    train_labels: Shaped[Tensor, "*train_labels"]
    test: Shaped[Tensor, "test_samples *sample"]
    test_labels: Shaped[Tensor, "*test_labels"]
    classes: int | None = None
    vocabulary: int | None = None
    signals: int | None = None
    descriptions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for part, samples, labels in (
            ("train", self.train, self.train_labels),
            ("test", self.test, self.test_labels),
        ):
            label = f"{part}_labels"
            _require_tensor(part, samples)
            _require_tensor(label, labels)
            _require_type(part, samples, "tokens", "vocabulary", self.vocabulary)
            _require(samples.numel() > 0, part, "must not be empty")
            _require_type(label, labels, "classes", "classes", self.classes)
            signals = () if self.signals is None else (self.signals,)
            expected = (*signals, len(samples))
            begins = tuple(labels.shape[: len(expected)])
            _require(begins == expected, label, f"must begin with {expected}, got {begins}")
            _require_values(part, samples, self.vocabulary)
            _require_values(label, labels, self.classes)
        shape, rest = self.sample_shape, self.label_shape
        _require(tuple(self.test.shape[1:]) == shape, "test", f"must be samples of shape {shape}")
        same = tuple(self.test_labels.shape[self.test_labels.ndim - len(rest) :]) == rest
        _require(same, "test_labels", f"must be labels of shape {rest}")
        of_tokens = self.vocabulary is not None and rest == shape
        fits = len(rest) == 1 if self.classes is None else of_tokens or not rest
        _require(fits, "train_labels", f"cannot be of shape {rest} for samples of shape {shape}")
        factors_of_sample(shape, self.vocabulary)
        described = self.descriptions
        one_each = described is None or len(described) == self.signals
        _require(one_each, "descriptions", "must be a text for each signal")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.shape[1:])

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of the label of one sample; empty for one class a sample."""
        return tuple(self.train_labels.shape[1 if self.signals is None else 2 :])

    @property
    def outputs(self) -> int:
        """Numbers that a network gives: classes, or what it approximates."""
        return self.label_shape[0] if self.classes is None else self.classes

    @property
    def factors(self) -> dict[str, int]:
        """What an architecture has to know: what a sample is, and the number of outputs."""
        sample = factors_of_sample(self.sample_shape, self.vocabulary)
        return {**sample, "out_channels": self.outputs}

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.train.shape[1]

    @property
    def image_size(self) -> int:
        """Height and width of a square image."""
        return self.train.shape[2]

    @property
    def content_hash(self) -> str:
        """SHA-256 of all samples and labels."""
        digest = hashlib.sha256()
        for tensor in (self.train, self.train_labels, self.test, self.test_labels):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


def _require(holds: bool, name: str, what: str) -> None:
    known = ", ".join(field.name for field in fields(DataSet))
    if not holds:
        raise ZooError(f"{name} of a data set {what}; its fields are {known}")


def _require_tensor(name: str, value: object) -> None:
    advice = f"must be a torch tensor, got {described(value)}; give torch.as_tensor({name})"
    _require(isinstance(value, Tensor), name, advice)


def _require_type(name: str, values: Tensor, what: str, field: str, number: int | None) -> None:
    """Whole numbers where a field says how many of them there are, else numbers to compute with."""
    dtype, wanted = (torch.float32, "float32") if number is None else (torch.int64, "int64")
    forgotten = number is None and values.dtype == torch.int64
    advice = f"; if they are {what}, give {field}, the number of them" if forgotten else ""
    _require(values.dtype == dtype, name, f"must be {wanted}, got {values.dtype}{advice}")


def _require_values(name: str, values: Tensor, below: int | None) -> None:
    if below is None:
        _require(bool(values.isfinite().all()), name, "must be finite")
    elif values.numel():
        _require(below <= MOST_CLASSES, name, f"must be below {MOST_CLASSES}, got {below}")
        low, high = int(values.min()), int(values.max())
        _require(0 <= low <= high < below, name, f"must be from 0 to {below - 1}, got {low, high}")
