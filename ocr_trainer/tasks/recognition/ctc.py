"""`CtcRecognizer`, the base class of recognizers trained with CTC.

Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006;
`ocr_trainer_runtime.recognition.ctc` decodes.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.data.types import Recognition
from ocr_trainer.plugin.options import CtcConfig
from ocr_trainer.tasks.exportable import Exportable, OutputKind
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer_runtime.recognition.ctc import BLANK, read_beams, read_paths
from ocr_trainer_runtime.recognition.fit import proportional_size

MAX_ENLARGEMENT = 4
"""The largest factor by which messages suggest to raise the height of images."""


class CtcRecognizer(Recognizer):
    """A recognizer of fixed image height whose `forward` predicts a class per step, from left to right.

    `forward` returns "logits", float, (batch, steps, 1 + characters), and "steps", int64, (batch,): the
    number of steps of each image that are not padding.

    Args:
        config: Image sizes and the beam width.
        charset: The characters that the model can predict.
    """

    visual = True  # steps go from left to right, so codes must be in visual order

    def __init__(self, config: CtcConfig, charset: str) -> None:
        super().__init__()
        self.config = config
        self.charset = charset

    @abstractmethod
    def steps(self, width: int) -> int:
        """Return the number of steps for an image.

        Args:
            width: Of the resized image, in pixels.
        """

    @property
    def classes(self) -> int:
        """The number of classes: the blank and the characters."""
        return 1 + len(self.charset)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the configured height and the proportional width, clipped to the configured limits."""
        return proportional_size(height, width, self.config)

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        """Check that there is a step per character, and a blank between equal neighbors."""
        needed, given = codes + repeats, self.steps(width)
        if needed <= given:
            return None
        doubled = f" and {repeats} of them doubled" if repeats else ""
        return (
            f"the text of {codes} characters{doubled} needs {needed} steps, but the image of"
            f" {width} x {self.config.height} pixels has {given}"
        )

    def remedy(self, codes: int, repeats: int, height: int, width: int) -> tuple[str, int] | None:
        """Return the height, a multiple of the present one, or the maximum width that gives enough steps."""
        config = self.config
        for factor in range(1, MAX_ENLARGEMENT + 1):
            proportional = round(width * config.height * factor / height)
            if self.steps(max(proportional, config.min_width)) < codes + repeats:
                continue
            if proportional > config.max_width:
                return "max_width", proportional
            return "height", config.height * factor
        return None

    def exportable(self) -> Exportable:
        """Return the model itself: it runs on batches of any size and width."""
        config = self.config
        return Exportable(
            self,
            OutputKind.ctc,
            "logits",
            {name: getattr(config, name) for name in ("height", "min_width", "max_width")},
            {"decode": "ctc", "blank": BLANK, "beam": config.beam},
        )

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return "ctc": the mean over texts of -log p(text | image) per character.

        Texts that no path can spell contribute 0.
        """
        # In float32 even under autocast: bfloat16 is too coarse for sums over many paths.
        log_probs = outputs["logits"].float().log_softmax(-1).transpose(0, 1)
        codes, lengths = targets["codes"] + 1, targets["lengths"]
        return {"ctc": F.ctc_loss(log_probs, codes, outputs["steps"], lengths, BLANK, zero_infinity=True)}

    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Decode greedily, or by prefix search if `config.beam` is above 1."""
        log_probs = outputs["logits"].detach().float().log_softmax(-1)
        steps = outputs["steps"].tolist()
        if self.config.beam > 1:
            return read_beams(log_probs.cpu().numpy(), steps, self.charset, self.config.beam)
        # Take the maximum on the device: logits over a large charset are slow to copy.
        best, classes = (tensor.cpu().numpy() for tensor in log_probs.max(-1))
        return read_paths(classes, best, steps, self.charset)
