"""The built-in optimizers and schedules follow the contract of strangers."""

from __future__ import annotations

from ocr_trainer.testing import OptimizerSuite, ScheduleSuite


class TestSGD(OptimizerSuite):
    name = "sgd"


class TestAdam(OptimizerSuite):
    name = "adam"


class TestAdamW(OptimizerSuite):
    name = "adamw"


class TestPoly(ScheduleSuite):
    name = "poly"


class TestConstant(ScheduleSuite):
    name = "constant"


class TestCosine(ScheduleSuite):
    name = "cosine"


class TestOneCycle(ScheduleSuite):
    name = "one_cycle"


class TestWSD(ScheduleSuite):
    name = "wsd"
