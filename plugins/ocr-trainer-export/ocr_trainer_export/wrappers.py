"""Modules around a network that adapt it to the contract of a consumer.

Each undoes the normalization of its consumer and puts the classes into the consumer's order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.tasks.exportable import Exportable, OutputKind

TINY = 1e-38
"""Smallest probability before the logarithm."""


class Probabilities(nn.Module):
    """The network with its main output as probabilities, and with the steps of a CTC recognizer."""

    def __init__(self, exportable: Exportable) -> None:
        super().__init__()
        self.network = exportable.network
        self.exportable = exportable

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return probabilities, and with CTC also the steps that are not padding.

        Args:
            images: uint8, (batch, 3, height, width), RGB.
            widths: int64, (batch,), for recognizers.
        """
        outputs = self.network(images) if widths is None else self.network(images, widths)
        probabilities = self.exportable.probabilities(outputs)
        if self.exportable.kind is OutputKind.ctc:
            return probabilities, outputs["steps"]
        return (probabilities,)


class Pixels(nn.Module):
    """Turns the normalized float images of a consumer back into uint8 RGB.

    Args:
        mean: Per channel, of values from 0 to 1.
        std: The same.
        bgr: Whether the consumer's channels are blue, green, red.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, ...] = (0.5, 0.5, 0.5),
        std: tuple[float, ...] = (0.5, 0.5, 0.5),
        bgr: bool = False,
    ) -> None:
        super().__init__()
        self.bgr = bgr
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map float (batch, 3, height, width) to uint8 of the same shape."""
        pixels = (x * self.std + self.mean).round().clamp(0, 255)
        if self.bgr:
            pixels = pixels[:, [2, 1, 0]]
        return pixels.to(torch.uint8)


class Maps(nn.Module):
    """A detector behind a consumer's normalization.

    Args:
        subject: The model.
        pixels: Undoes the normalization.
        logits: Whether to return logits instead of probabilities.
        squeeze: Whether to return one map, (height, width), for one image.
    """

    def __init__(self, subject: Subject, pixels: Pixels, logits: bool = False, squeeze: bool = False) -> None:
        super().__init__()
        self.pixels, self.probabilities = pixels, Probabilities(subject.exportable)
        self.logits, self.squeeze = logits, squeeze

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map float (batch, 3, height, width) to (batch, 1, height, width), or to (height, width)."""
        (maps,) = self.probabilities(self.pixels(x))
        if self.logits:
            maps = torch.logit(maps, eps=1e-7)
        return (maps[0] if self.squeeze else maps[:, None],)


class Steps(nn.Module):
    """A CTC recognizer for a consumer that passes no widths: a column of zeros after normalizing is padding.

    With a mean of 0.5 no pixel becomes exactly 0, so the widths can be told from the image. What the steps
    of padding hold is set to the blank.

    Args:
        subject: The model.
        pixels: Undoes the normalization.
        order: The consumer's classes, as classes of the model; -1 for a class that it does not have.
    """

    order: Tensor
    blanks: Tensor

    def __init__(self, subject: Subject, pixels: Pixels, order: list[int]) -> None:
        super().__init__()
        self.pixels, self.probabilities = pixels, Probabilities(subject.exportable)
        self.stride = subject.model.stride
        classes = len(subject.charset) + 1
        # The class that the model does not have is one more, which is always 0.
        self.register_buffer("order", torch.tensor([classes if place < 0 else place for place in order]))
        self.register_buffer("blanks", F.one_hot(torch.tensor(order.index(0)), len(order)).float())

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map float (batch, 3, height, width) to probabilities, (batch, steps, classes)."""
        inside = x.abs().amax(dim=(1, 2)) > 0
        images = self.pixels(x) * inside[:, None, None].to(torch.uint8)
        return (self.classify(images, inside.to(torch.int64).sum(dim=1)),)

    def classify(self, images: Tensor, widths: Tensor) -> Tensor:
        """Return the probabilities of the consumer's classes; steps of padding are blank."""
        images = F.pad(images, (0, -images.shape[3] % self.stride))
        probabilities, steps = self.probabilities(images, widths)
        probabilities = F.pad(probabilities, (0, 1))[..., self.order]
        index = torch.arange(probabilities.shape[1], device=images.device)
        inside = (index < steps[:, None])[..., None].to(probabilities.dtype)
        classes: Tensor = probabilities * inside + self.blanks * (1 - inside)
        return classes


class Line(Steps):
    """A CTC recognizer for one image without padding; it returns (steps, 1, classes)."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map float (1, 3, height, width) to probabilities, (steps, 1, classes)."""
        widths = torch.ones_like(x[:, 0, 0], dtype=torch.int64).sum(dim=1)
        return (self.classify(self.pixels(x), widths).transpose(0, 1),)


class Blackened(Steps):
    """A CTC recognizer for a consumer that pads with black before it normalizes; it returns logits.

    Columns that are black to the right end are padding: they hold no ink in a photograph or scan.
    """

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map float (batch, 3, height, width) to logits, (batch, steps, classes)."""
        images = self.pixels(x)
        return (self.classify(images, lit_widths(images)).clamp(min=TINY).log(),)


def lit_widths(images: Tensor) -> Tensor:
    """Return the number of columns of each image up to the last one that is not black: int64, (batch,)."""
    lit = images.amax(dim=(1, 2)) > 0
    columns = torch.arange(1, images.shape[3] + 1, device=images.device)
    return (lit.to(torch.int64) * columns).amax(dim=1)


class Positions(nn.Module):
    """An autoregressive recognizer; it returns logits.

    Args:
        subject: The model.
        pixels: Undoes the normalization.
        order: The consumer's classes, as classes of the model; -1 for a class that it does not have.
    """

    order: Tensor
    end: Tensor

    def __init__(self, subject: Subject, pixels: Pixels, order: list[int]) -> None:
        super().__init__()
        self.pixels, self.probabilities = pixels, Probabilities(subject.exportable)
        classes = len(subject.charset) + 1
        self.register_buffer("order", torch.tensor([classes if place < 0 else place for place in order]))
        self.register_buffer("end", F.one_hot(torch.tensor(0), classes).float())

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Map float (batch, 3, height, width) to logits, (batch, positions, classes)."""
        images = self.pixels(x)
        (probabilities,) = self.probabilities(images, lit_widths(images))
        # The last position can only be the end, which is class 0.
        index = torch.arange(probabilities.shape[1], device=x.device)
        within = (index < probabilities.shape[1] - 1)[:, None].to(probabilities.dtype)
        probabilities = probabilities * within + self.end * (1 - within)
        return (F.pad(probabilities, (0, 1))[..., self.order].clamp(min=TINY).log(),)
