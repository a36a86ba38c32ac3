from ocr_trainer.plugin import Kind
from ocr_trainer.testing.plugins import PluginSuite


class TestPARSeq(PluginSuite):
    kind = Kind.model
    name = "parseq"
    overrides = ("dataset=synthetic", "charset.names=[digits]")
