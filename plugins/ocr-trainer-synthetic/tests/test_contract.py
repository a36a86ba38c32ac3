from ocr_trainer.testing import DatasetSuite, TextDatasetSuite


class TestPages(DatasetSuite):
    name = "synthetic"


class TestWords(TextDatasetSuite):
    name = "synthetic"
    overrides = ("model=crnn",)


del DatasetSuite, TextDatasetSuite
