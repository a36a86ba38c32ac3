"""A description that makes everybody pay for NumPy."""

import numpy  # noqa: F401
from acme_plugin import dataset as greedy  # noqa: F401
