"""PARSeq (Bautista and Atienza, ECCV 2022)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer.data.types import Recognition
from ocr_trainer.plugin import Context
from ocr_trainer.tasks.recognition import Recognizer
from ocr_trainer_parseq.network import Decoder, Encoder, initialise_linear
from ocr_trainer_parseq.permutations import IGNORED, draw_orders, order_targets, visible_context
from ocr_trainer_parseq.plugin import PARSeqConfig, Size

END = 0
"""The class and the token of [E]; character k is 1 + k, and behind the characters come [B] and [P]."""


class Shape(NamedTuple):
    """The measures of a network."""

    dim: int
    depth: int
    encoder_heads: int
    decoder_heads: int


class PARSeq(Recognizer):
    """A recognizer that learns to read in many orders, and so to read forward, all at once, or a second time.

    Bautista, Atienza, "Scene Text Recognition with Permuted Autoregressive Sequence Models", ECCV 2022.
    """

    shapes: ClassVar[dict[Size, Shape]] = {
        Size.tiny: Shape(dim=192, depth=12, encoder_heads=3, decoder_heads=6),
        Size.base: Shape(dim=384, depth=12, encoder_heads=6, decoder_heads=12),
    }

    def __init__(self, config: PARSeqConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.charset = context.charset
        self.stride = config.patch[1]  # type: ignore[misc]  # the batch is cut into whole patches
        shape = self.shapes[config.size]
        size, patch = (config.height, config.width), (config.patch[0], config.patch[1])
        classes = 1 + len(self.charset)
        self.begin, self.pad = classes, classes + 1
        self.encoder = Encoder(size, patch, shape.dim, shape.depth, shape.encoder_heads)
        self.decoder = Decoder(
            classes + 2, config.max_length + 1, shape.dim, shape.decoder_heads, config.dropout
        )
        self.head = nn.Linear(shape.dim, classes)
        initialise_linear(self.head)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the configured size; with `keep_ratio`, the width that keeps the proportions if it fits."""
        config = self.config
        if not config.keep_ratio:
            return config.height, config.width
        wanted = round(width * config.height / height)
        return config.height, min(max(wanted, config.patch[1]), config.width)

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        """Return whether a text is too long, in the user's words."""
        longest = self.config.max_length
        if codes <= longest:
            return None
        return f"the text of {codes} characters is longer than model.max_length={longest}"

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; the width is a multiple of the patches'.
            widths: int64, (batch,): how many columns are no padding; told apart with `keep_ratio`.

        Returns:
            In training the encoder's tokens, "memory", (batch, patches, dim), and with `keep_ratio` which of
            them are "visible", bool, (batch, patches). Else the "logits", float32,
            (batch, max_length + 1, 1 + characters): a row per place, 0 for [E], 1 + k for character k.
        """
        x = images.to(self.head.weight.dtype) / 127.5 - 1
        visible = None
        if self.config.keep_ratio:
            columns = torch.arange(images.shape[3], device=images.device)
            x = x * (columns < widths[:, None])[:, None, None, :]
            # A patch counts if it has a column of the image.
            seen = columns[:: self.config.patch[1]] < widths[:, None]
            visible = seen.repeat(1, images.shape[2] // self.config.patch[0])
        memory = self.encoder(x, shown_patches(visible))
        if self.training:
            return {"memory": memory} if visible is None else {"memory": memory, "visible": visible}
        return {"logits": self._read(memory, visible)}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean cross entropy of all targets in the orders drawn for this batch, as "language"."""
        codes, lengths = targets["codes"], targets["lengths"]
        length = codes.shape[1]
        orders = draw_orders(length, self.config.permutations, self.config.mirrored)
        inside = torch.arange(length, device=codes.device) < lengths[:, None]

        tokens = F.pad(torch.where(inside, codes + 1, self.pad), (1, 0), value=self.begin)
        seen = visible_context(orders).flatten(0, 1).to(codes.device)
        seen = seen & (tokens != self.pad)[:, None, None, :]
        # Queries do not see each other: those of all orders go through the decoder side by side.
        places = self.decoder.places[:, : length + 1].repeat(1, len(orders), 1)
        hidden = self.decoder(
            places,
            self.decoder.text_keys(tokens),
            self.decoder.image_keys(outputs["memory"]),
            seen,
            shown_patches(outputs.get("visible")),
        )

        classes = F.pad(torch.where(inside, codes + 1, IGNORED), (0, 1), value=IGNORED)
        classes = classes.scatter(1, lengths[:, None], END)
        classes = order_targets(classes, len(orders), END).flatten(1)
        learned = classes != IGNORED
        return {"language": F.cross_entropy(self.head(hidden[learned]).float(), classes[learned])}

    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Read up to [E], the probability of which counts, too; nothing else can stand at the last place."""
        probabilities = outputs["logits"].detach().float().softmax(-1)
        best, classes = (x.cpu().numpy() for x in probabilities.max(-1))
        ends = probabilities[..., END].cpu().numpy()
        recognitions = []
        for row, scores, end in zip(classes, best, ends, strict=True):
            stop = int(np.argmax(np.append(row[:-1], END) == END))
            text = "".join(self.charset[k - 1] for k in row[:stop])
            recognitions.append(Recognition(text, scores[:stop], float(scores[:stop].prod() * end[stop])))
        return recognitions

    def character_rows(self) -> dict[str, int]:
        """Return where the characters begin: behind [E]."""
        return {"head.weight": 1, "head.bias": 1, "decoder.text.weight": 1}

    def _read(self, memory: Tensor, visible: Tensor | None) -> Tensor:
        """Return the logits of all places, those behind [E] without meaning."""
        image_keys = self.decoder.image_keys(memory)
        shown = shown_patches(visible)
        read = self._read_forward if self.config.decode_ar else self._read_at_once
        logits = read(image_keys, shown)
        for _ in range(self.config.refinements):
            logits = self._refine(logits, image_keys, shown)
        return logits.float()

    def _read_forward(self, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Read one character after the other; behind [E] the logits are 0."""
        places = self.decoder.places
        token = torch.full((len(image_keys), 1), self.begin, device=image_keys.device)
        ended = torch.zeros_like(token, dtype=torch.bool)
        keys = self.decoder.text_keys(token)
        logits: list[Tensor] = []
        for place in range(places.shape[1]):
            hidden = self.decoder(places[:, place : place + 1], keys, image_keys, None, shown)
            logits.append(self.head(hidden).masked_fill(ended[..., None], 0))
            token = logits[-1].argmax(-1)
            ended = ended | (token == END)
            # An exported graph has no way out.
            if not torch.compiler.is_compiling() and ended.all():
                break
            keys = torch.cat([keys, self.decoder.text_keys(token, place + 1)], dim=3)
        return F.pad(torch.cat(logits, dim=1), (0, 0, 0, places.shape[1] - len(logits)))

    def _read_at_once(self, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Read each character in the light of the image alone."""
        token = torch.full((len(image_keys), 1), self.begin, device=image_keys.device)
        return self.head(
            self.decoder(self.decoder.places, self.decoder.text_keys(token), image_keys, None, shown)
        )

    def _refine(self, logits: Tensor, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Read again, each character in the light of all others up to [E] (a cloze)."""
        tokens = F.pad(logits[:, :-1].argmax(-1), (1, 0), value=self.begin)
        text = (tokens == END).cumsum(1) == 0
        place = torch.arange(tokens.shape[1], device=tokens.device)
        others = place != place[:, None] + 1  # column 0 is [B]
        seen = others & text[:, None, None, :]
        return self.head(
            self.decoder(self.decoder.places, self.decoder.text_keys(tokens), image_keys, seen, shown)
        )


def shown_patches(visible: Tensor | None) -> Tensor | None:
    """Return which patches count, as attention asks for it: the same for all heads and queries."""
    return None if visible is None else visible[:, None, None, :]
