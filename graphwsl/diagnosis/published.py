"""The public tables of MD tree: 1,690 ResNet-18 on CIFAR-10, clean and with 10 % label noise.

Zhou et al., "MD tree: a model-diagnostic tree grown on loss landscape", ICML 2024; the files are
those of https://github.com/YefanZhou/ModelDiagnosis, under the MIT licence beside them. Every row
is a configuration (13 widths, 13 batch sizes, 10 amounts of data) and the mean of five seeds.

=========================  =======================================================================
column                     what it is
=========================  =======================================================================
``train_error``            error on the training data [%]
``mode_connectivity_peak`` minus the largest training error along a Bézier curve between two seeds
                           [%]
``hessian_t``              natural logarithm of the trace of the Hessian of the training loss
``CKA``                    similarity of the outputs of two seeds, 1 where they are alike
``test_acc``               accuracy on the test data [%]
``rfi_…``                  room for improvement in one direction [points of test accuracy]
=========================  =======================================================================
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from graphwsl.diagnosis.table import read_table


def published_file(labels: Literal["clean", "noisy"] = "clean") -> Path:
    """The file of a table.

    Args:
        labels: Whether its networks were trained on clean labels, or with 10 % label noise.
    """
    return Path(str(files("graphwsl.diagnosis") / "data" / f"resnet18_{labels}.csv.gz"))


def published_table(labels: Literal["clean", "noisy"] = "clean") -> dict[str, np.ndarray]:
    """A published table, its numbers as such.

    Args:
        labels: Whether its networks were trained on clean labels, or with 10 % label noise.
    """
    return dict(_table(labels))


@cache
def _table(labels: str) -> dict[str, np.ndarray]:
    table = read_table(published_file(labels))  # type: ignore[arg-type]
    texts = {"bs_failure", "width_vs_batch", "data_vs_batch"}
    return {
        name: values if name in texts else values.astype(float) for name, values in table.items()
    }
