from ocr_trainer.testing import OptimizerSuite


class TestLion(OptimizerSuite):
    name = "lion"


class TestMuon(OptimizerSuite):
    name = "muon"
