from ocr_trainer.testing import LoggerSuite


class TestTensorBoard(LoggerSuite):
    name = "tensorboard"
