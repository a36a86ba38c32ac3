from pathlib import Path

from ocr_trainer.plugin import Kind
from ocr_trainer.testing.architecture import check_architecture
from ocr_trainer.testing.plugins import PluginSuite


class TestPARSeq(PluginSuite):
    kind = Kind.model
    name = "parseq"
    overrides = ("dataset=synthetic", "charset.names=[digits]")

    def test_its_architecture_names_what_changes_its_tensors(self, tmp_path: Path):
        check_architecture(self, tmp_path)
