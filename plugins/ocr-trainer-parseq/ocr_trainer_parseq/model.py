"""PARSeq (Bautista and Atienza, ECCV 2022)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer.data.types import Image, Recognition
from ocr_trainer.plugin import Context
from ocr_trainer.tasks.exportable import Exportable, OutputKind
from ocr_trainer.tasks.recognition import Recognizer
from ocr_trainer_parseq.network import Decoder, Encoder, initialize_linear
from ocr_trainer_parseq.permutations import IGNORED, draw_orders, order_targets, visible_context
from ocr_trainer_parseq.plugin import MAX_LENGTH, PARSeqConfig, Size
from ocr_trainer_parseq.rand_augment import rand_augment
from ocr_trainer_runtime.recognition.fit import fixed_size
from ocr_trainer_runtime.recognition.positions import END, read_positions


class Shape(NamedTuple):
    """The dimensions of a network."""

    dim: int
    depth: int
    encoder_heads: int
    decoder_heads: int


class PARSeq(Recognizer):
    """A recognizer trained on permutations of the characters, so it can decode in several ways.

    Bautista, Atienza, "Scene Text Recognition with Permuted Autoregressive Sequence Models", ECCV 2022
    (arXiv 2207.06966).
    """

    shapes: ClassVar[dict[Size, Shape]] = {
        Size.tiny: Shape(dim=192, depth=12, encoder_heads=3, decoder_heads=6),
        Size.base: Shape(dim=384, depth=12, encoder_heads=6, decoder_heads=12),
    }

    def __init__(self, config: PARSeqConfig, context: Context) -> None:
        super().__init__()
        self.config = config
        self.charset = context.charset
        self.stride = config.patch[1]  # the batch is cut into whole patches
        shape = self.shapes[config.size]
        size, patch = (config.height, config.width), (config.patch[0], config.patch[1])
        classes = 1 + len(self.charset)
        self.begin, self.pad = classes, classes + 1
        self.encoder = Encoder(size, patch, shape.dim, shape.depth, shape.encoder_heads)
        self.decoder = Decoder(
            classes + 2, config.max_length + 1, shape.dim, shape.decoder_heads, config.dropout
        )
        self.head = nn.Linear(shape.dim, classes)
        initialize_linear(self.head)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the patches and of each layer of the encoder."""
        return self.encoder.layers_by_depth()

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the configured size; with `keep_ratio`, the width that keeps the aspect ratio if it fits."""
        config = self.config
        return fixed_size(height, width, config, self.stride)

    def augment(self, image: Image, rng: np.random.Generator) -> Image:
        """Apply RandAugment with `rand_augment_layers` and `rand_augment_magnitude`, as the authors do."""
        config = self.config
        return rand_augment(image, config.rand_augment_layers, config.rand_augment_magnitude, rng)

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        """Return a message if the text is longer than `max_length`, otherwise None."""
        longest = self.config.max_length
        if codes <= longest:
            return None
        return f"the text of {codes} characters is longer than model.max_length={longest}"

    def remedy(self, codes: int, repeats: int, height: int, width: int) -> tuple[str, int] | None:
        """Return the `max_length` that takes the text, up to the limit of the option."""
        return ("max_length", codes) if codes <= MAX_LENGTH else None

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; the width is a multiple of the patches'.
            widths: int64, (batch,): the number of columns that are not padding; used with `keep_ratio` only.

        Returns:
            In training, the encoder's tokens "memory", (batch, patches, dim), and with `keep_ratio` also
            "visible", bool, (batch, patches), true for patches that are not padding. In evaluation, "logits",
            float32, (batch, max_length + 1, 1 + characters): a row per position; class 0 is [E], class
            1 + k is character k.
        """
        x = images.to(self.head.weight.dtype) / 127.5 - 1
        visible = None
        if self.config.keep_ratio:
            columns = torch.arange(images.shape[3], device=images.device)
            x = x * (columns < widths[:, None])[:, None, None, :]
            # A patch is visible if at least its first column belongs to the image.
            in_row = columns[:: self.config.patch[1]] < widths[:, None]
            visible = in_row.repeat(1, images.shape[2] // self.config.patch[0])
        memory = self.encoder(x, shown_patches(visible))
        if self.training:
            return {"memory": memory} if visible is None else {"memory": memory, "visible": visible}
        return {"logits": self._logits(memory, visible)}

    def exportable(self) -> Exportable:
        """Return the model itself: its loop over positions unrolls, and always takes all of them."""
        config = self.config
        names = ("height", "width", "keep_ratio", "patch")
        return Exportable(
            self,
            OutputKind.positions,
            "logits",
            {name: getattr(config, name) for name in names},
            {"decode": "positions", "end": END, "max_length": config.max_length},
            None if config.keep_ratio else config.width,
        )

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return "language": the mean cross entropy of all targets in the orders drawn for this batch.

        Bautista and Atienza, section 3.2 (permutation language modeling).
        """
        codes, lengths = targets["codes"], targets["lengths"]
        length = codes.shape[1]
        orders = draw_orders(length, self.config.permutations, self.config.mirrored)
        inside = torch.arange(length, device=codes.device) < lengths[:, None]

        tokens = F.pad(torch.where(inside, codes + 1, self.pad), (1, 0), value=self.begin)
        context_mask = visible_context(orders).flatten(0, 1).to(codes.device)
        context_mask = context_mask & (tokens != self.pad)[:, None, None, :]
        # Queries do not attend to each other, so the queries of all orders share one pass of the decoder.
        positions = self.decoder.places[:, : length + 1].repeat(1, len(orders), 1)
        hidden = self.decoder(
            positions,
            self.decoder.text_keys(tokens),
            self.decoder.image_keys(outputs["memory"]),
            context_mask,
            shown_patches(outputs.get("visible")),
        )

        classes = F.pad(torch.where(inside, codes + 1, IGNORED), (0, 1), value=IGNORED)
        classes = classes.scatter(1, lengths[:, None], END)
        classes = order_targets(classes, len(orders), END).flatten(1)
        # Select the targets before the classifier: logits of ignored positions would only cost memory.
        learned = classes != IGNORED
        return {"language": F.cross_entropy(self.head(hidden[learned]).float(), classes[learned])}

    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Return each text up to [E]; its score includes the probability of [E].

        The last position can only be [E], so no text is longer than `max_length`.
        """
        probabilities = outputs["logits"].detach().float().softmax(-1)
        best, classes = (x.cpu().numpy() for x in probabilities.max(-1))
        ends = probabilities[..., END].cpu().numpy()
        return read_positions(classes, best, ends, self.charset)

    def character_rows(self) -> dict[str, int]:
        """Return the tensors with a row per character; row 0 is [E]."""
        return {"head.weight": 1, "head.bias": 1, "decoder.text.weight": 1}

    def _logits(self, memory: Tensor, visible: Tensor | None) -> Tensor:
        """Return the logits of all positions; those after [E] have no meaning."""
        image_keys = self.decoder.image_keys(memory)
        shown = shown_patches(visible)
        decode = self._decode_autoregressive if self.config.decode_ar else self._decode_at_once
        logits = decode(image_keys, shown)
        for _ in range(self.config.refinements):
            logits = self._refine(logits, image_keys, shown)
        return logits.float()

    def _decode_autoregressive(self, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Decode one character at a time; after [E] the logits are 0."""
        places = self.decoder.places
        token = self._begin(image_keys)
        ended = torch.zeros_like(token, dtype=torch.bool)
        keys = self.decoder.text_keys(token)
        logits: list[Tensor] = []
        for place in range(places.shape[1]):
            hidden = self.decoder(places[:, place : place + 1], keys, image_keys, None, shown)
            logits.append(self.head(hidden).masked_fill(ended[..., None], 0))
            token = logits[-1].argmax(-1)
            ended = ended | (token == END)
            # An exported graph cannot stop early: the condition depends on the data.
            exporting = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
            if not exporting and ended.all():
                break
            keys = torch.cat([keys, self.decoder.text_keys(token, place + 1)], dim=3)
        return F.pad(torch.cat(logits, dim=1), (0, 0, 0, places.shape[1] - len(logits)))

    def _begin(self, image_keys: Tensor) -> Tensor:
        """Return the token [B] of each image: int64, (batch, 1)."""
        # From a tensor of the batch: the size of a new one would become a constant of an exported graph.
        return torch.full_like(image_keys[:, 0, 0, 0, :1], self.begin, dtype=torch.int64)

    def _decode_at_once(self, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Decode all characters in parallel, each from the image alone (non-autoregressive)."""
        token = self._begin(image_keys)
        keys = self.decoder.text_keys(token)
        logits: Tensor = self.head(self.decoder(self.decoder.places, keys, image_keys, None, shown))
        return logits

    def _refine(self, logits: Tensor, image_keys: Tensor, shown: Tensor | None) -> Tensor:
        """Decode again, each character from all others up to [E] (cloze mask)."""
        tokens = F.pad(logits[:, :-1].argmax(-1), (1, 0), value=self.begin)
        text = (tokens == END).int().cumsum(1) == 0  # ONNX sums numbers only
        index = torch.arange(tokens.shape[1], device=tokens.device)
        others = index != index[:, None] + 1  # column 0 is [B]
        mask = others & text[:, None, None, :]
        keys = self.decoder.text_keys(tokens)
        refined: Tensor = self.head(self.decoder(self.decoder.places, keys, image_keys, mask, shown))
        return refined


def shown_patches(visible: Tensor | None) -> Tensor | None:
    """Return the mask of visible patches, broadcastable over heads and queries."""
    return None if visible is None else visible[:, None, None, :]
