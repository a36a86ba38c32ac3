from ocr_trainer.testing import RecognizerSuite


class TestSVTRv2(RecognizerSuite):
    name = "svtrv2"
    overrides = ("model.size=tiny", "model.height=16", "model.drop_path=0")
    lr = 5e-4
