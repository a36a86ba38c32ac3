from ocr_trainer.testing import ModelSuite


class TestDBNet(ModelSuite):
    name = "dbnet"
