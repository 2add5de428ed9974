"""The graph neural networks of the published studies, by name, with their training settings.

Everything is as the authors' programs have it, oddities included; :attr:`PublishedModel.choices`
says what no source states and is therefore chosen here. All of them see the power of every node
and, except SAGENet and TransformerNet, the coupling of every line as its weight, and minimise the
squared error by which a sigmoid misses the label. One habit of the sources is not followed: the
first study picked the best epoch on the test set; here selection is always on validation.

>>> published_model("tagnet13").name
'TAGNet13'
>>> published_model("tagnet13").specification.num_layers
13
"""

from gnncore.registry import Registry
from gridstab.errors import InvalidParameterError
from gridstab.learning.published import reproduction, study_2021, study_2022, study_2024
from gridstab.learning.published.default import DEFAULT_MODEL
from gridstab.learning.published.model import PublishedModel
from gridstab.learning.published.results import PUBLISHED_RESULTS, PublishedResult

__all__ = [
    "DEFAULT_MODEL",
    "PUBLISHED_MODELS",
    "PUBLISHED_RESULTS",
    "PublishedModel",
    "PublishedResult",
    "published_model",
]


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


PUBLISHED_MODELS: Registry[PublishedModel] = Registry(
    "model",
    InvalidParameterError,
    {
        _key(model.name): model
        for study in (study_2021, study_2022, reproduction, study_2024)
        for model in study.models()
    },
)
"""All published models; the keys are their names in lower case with underscores."""


def published_model(name: str) -> PublishedModel:
    """The published model of that name, in any spelling.

    Raises:
        InvalidParameterError: There is none.
    """
    key = _key(name)
    return PUBLISHED_MODELS.find(key if key in PUBLISHED_MODELS else name)
