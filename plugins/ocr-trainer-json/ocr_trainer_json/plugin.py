"""Descriptions of the JSON datasets; importing them loads no reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import ListedPagesConfig, PairedConfig, UntranscribedConfig


class Level(Enum):
    """The kind of element of a form that becomes a label."""

    word = "word"
    line = "line"


@dataclass
class Marks(UntranscribedConfig):
    """Options for formats without a flag for "don't care"."""

    dont_care: list[str] = field(default_factory=lambda: ["###", "*"])
    """Transcriptions that mean "don't care"."""


@dataclass
class FunsdConfig(UntranscribedConfig, PairedConfig):
    """The options of `funsd`."""

    level: Level = Level.word
    """Elements to detect: words, or the entities that they form (questions, answers, headers)."""


@dataclass
class CocoTextConfig(UntranscribedConfig, ListedPagesConfig):
    """The options of `cocotext`."""


@dataclass
class TextOcrConfig(UntranscribedConfig, ListedPagesConfig):
    """The options of `textocr`."""


@dataclass
class LabelmeConfig(Marks, PairedConfig):
    """The options of `labelme`."""

    text_key: str = "label"
    """Key of a shape's text."""

    ignore_flags: list[str] = field(default_factory=lambda: ["ignore", "illegible"])
    """Flags of a shape that mean "don't care"."""


@dataclass
class LabelStudioConfig(Marks, ListedPagesConfig):
    """The options of `label_studio`."""


@dataclass
class PaddleOcrConfig(Marks, ListedPagesConfig):
    """The options of `paddleocr`."""

    ignore_untranscribed: bool | None = False
    """Treat text without transcription as "don't care"; PaddleOCR detects it."""


@dataclass
class MmocrConfig(ListedPagesConfig):
    """The options of `mmocr`."""


@dataclass
class JsonLinesConfig(ListedPagesConfig):
    """The options of `jsonl`."""


funsd = DatasetPlugin(
    api=1,
    summary="FUNSD scanned forms: words, or the entities that they form, as boxes",
    config=FunsdConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.funsd:Funsd",
    signatures=tuple(
        FormatSignature(f"{folder}annotations/*.json", r'^\s*\{\s*"form"\s*:\s*\[')
        for folder in ("training_data/", "testing_data/", "")
    ),
)

cocotext = DatasetPlugin(
    api=1,
    summary="COCO-Text v1 and v2: words in photographs as polygons, in one file",
    config=CocoTextConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.cocotext:CocoText",
    signatures=(
        FormatSignature("*.json", r'"anns"\s*:[\s\S]*"legibility"\s*:|"imgs"\s*:[\s\S]*"COCO_\w+2014_\d+\.'),
    ),
)

textocr = DatasetPlugin(
    api=1,
    summary="TextOCR: words in photographs as polygons, one file per split",
    config=TextOcrConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.textocr:TextOcr",
    signatures=(
        FormatSignature("*.json", r'"imgs"\s*:\s*\{[\s\S]*"file_?name"\s*:\s*"(train|test)/[0-9a-f]+\.'),
    ),
)

labelme = DatasetPlugin(
    api=1,
    summary="labelme: polygons and rectangles with a text as label, one file beside each image",
    config=LabelmeConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.labelme:Labelme",
    signatures=tuple(
        FormatSignature(f"{folder}*.json", r'"shapes"\s*:\s*\[')
        for folder in ("", "train/", "annotations/", "labels/", "labelme/")
    ),
)

label_studio = DatasetPlugin(
    api=1,
    summary="Label Studio, exported as JSON: rectangles and polygons with a text area each",
    config=LabelStudioConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.label_studio:LabelStudio",
    signatures=(
        FormatSignature(
            "*.json", r'^\s*\[\s*\{[\s\S]*"(annotations|completions)"\s*:\s*\[\s*\{[\s\S]*"result"\s*:'
        ),
    ),
)

paddleocr = DatasetPlugin(
    api=1,
    summary="PaddleOCR's label file: one row per image with its name and its words in JSON",
    config=PaddleOcrConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_json.paddleocr:PaddleOcr",
    signatures=tuple(
        FormatSignature(f"{folder}*.txt", r'(?m)^[^\t\r\n]+\t\[\{[^}\r\n]*"(transcription|points)"\s*:')
        for folder in ("", "det/", "train/")
    ),
)

mmocr = DatasetPlugin(
    api=1,
    summary="MMOCR's JSON: OpenMMLab's data_list, COCO-like instances, or one row per image",
    config=MmocrConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_json.mmocr:Mmocr",
    signatures=(
        FormatSignature("*.json", r'"instances"\s*:\s*\[\s*\{[^{}]*"(polygon|bbox)"\s*:\s*\['),
        FormatSignature("instances_*.json", r'"(segmentation|iscrowd|file_name)"\s*:'),
        FormatSignature("*.txt", r'(?m)^\{"file_name"\s*:[^\r\n]*"annotations"\s*:\s*\['),
        FormatSignature("*.json", r'"dataset_type"\s*:\s*"TextRecogDataset"'),
    ),
)

jsonl = DatasetPlugin(
    api=1,
    summary="JSON lines: one image per row, with its words as polygons or with its text",
    config=JsonLinesConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_json.jsonl:JsonLines",
    signatures=tuple(
        FormatSignature(f"{folder}*.jsonl", content)
        for folder in ("", "annotations/", "train/")
        for content in (
            r'(?m)^\s*\{[^\r\n]*"image"\s*:\s*"[^\r\n]*"words"\s*:\s*\[',
            r'(?m)^\s*\{\s*"(image|file_?name)"\s*:\s*"[^"\r\n]*",\s*"text"\s*:',
        )
    ),
)
