"""Settings that people write: one base class, TOML in and out, every mistake in one line.

>>> from gnncore.configuration import Configuration
>>> class Oven(Configuration):
...     degrees: int = 180
>>> Oven(degree=200)
Traceback (most recent call last):
SpecificationError: unknown key 'degree', did you mean 'degrees'? The keys are degrees
"""

from gnncore.configuration.base import Configuration, given
from gnncore.configuration.device_name import DeviceName
from gnncore.configuration.problems import one_line
from gnncore.configuration.toml import to_toml

__all__ = ["Configuration", "DeviceName", "given", "one_line", "to_toml"]
