"""The built-in metrics keep the contract of metrics."""

from __future__ import annotations

from ocr_trainer.testing import MetricSuite


class TestIcdar(MetricSuite):
    name = "icdar"


class TestCleval(MetricSuite):
    name = "cleval"


class TestDeteval(MetricSuite):
    name = "deteval"


class TestTiou(MetricSuite):
    name = "tiou"


class TestText(MetricSuite):
    name = "text"
    overrides = ("model=crnn",)
