"""`CtcRecognizer`, the base class of recognizers trained with CTC: loss, greedy decoding and prefix search.

Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006. At each step the
network predicts the blank, class 0, or a character: character k is class k + 1. A path has one class per
step. It spells a text: merge runs of the same class, then drop the blanks.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.data.types import Recognition
from ocr_trainer.plugin.options import CtcConfig
from ocr_trainer.tasks.exportable import Exportable, OutputKind
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.text.bidi import logical_order

BLANK = 0
MAX_ENLARGEMENT = 4
"""The largest factor by which messages suggest to raise the height of images."""

Labeling = tuple[np.ndarray, np.ndarray, float]
"""Codes, int64, (characters,); confidences, float32, (characters,), 0 to 1; the text's score, 0 to 1."""


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
        config = self.config
        proportional = round(width * config.height / height)
        return config.height, min(max(proportional, config.min_width), config.max_width)

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
            tables = log_probs.cpu().numpy()
            found = [prefix_beam(table[:n], self.config.beam) for table, n in zip(tables, steps, strict=True)]
        else:
            # Take the maximum on the device: logits over a large charset are slow to copy.
            best, classes = (tensor.cpu().numpy() for tensor in log_probs.max(-1))
            found = [collapse(c[:n], b[:n]) for c, b, n in zip(classes, best, steps, strict=True)]
        return [
            self._to_logical("".join(self.charset[code] for code in codes), confidences, score)
            for codes, confidences, score in found
        ]

    def _to_logical(self, visual: str, confidences: np.ndarray, score: float) -> Recognition:
        """Reorder characters from visual order, left to right, to logical order, as typed."""
        order = logical_order(visual)
        return Recognition("".join(visual[place] for place in order), confidences[order], score)


def greedy(log_probs: np.ndarray) -> Labeling:
    """Return the text of the most likely path, as `collapse` does.

    Args:
        log_probs: float, (steps, classes).
    """
    return collapse(log_probs.argmax(1), log_probs.max(1))


def collapse(path: np.ndarray, log_probs: np.ndarray) -> Labeling:
    """Return the text that a path spells.

    Args:
        path: int, (steps,): a class per step.
        log_probs: float, (steps,): the log probability of that class.

    Returns:
        The codes; the confidence of each, the maximum over its steps, of which usually one is sharp and its
        neighbors are weak; and the probability of the path, blanks included.
    """
    path, probs = np.asarray(path), np.exp(np.minimum(log_probs, 0))
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    peaks = np.maximum.reduceat(probs, starts) if len(starts) else probs
    kept = path[starts] != BLANK
    confidences = peaks[kept].astype(np.float32)
    return path[starts][kept] - 1, confidences, float(np.exp(min(np.sum(log_probs, dtype=np.float64), 0.0)))


def prefix_beam(log_probs: np.ndarray, beam: int) -> Labeling:
    """Return the most likely text. `greedy` returns that of the most likely path, but a text has many paths.

    This is prefix search without a language model: Graves, "Supervised Sequence Labelling with Recurrent
    Neural Networks", 2012, 7.5.3; Hannun, Maas, Jurafsky, Ng, arXiv 1408.2873. It is exact if the beam drops
    no prefix.

    Args:
        log_probs: float, (steps, classes).
        beam: The number of prefixes to keep at each step.

    Returns:
        The codes; the confidences of `collapse` on the most likely path that spells them, equal to those of
        `greedy` if both find the same text; and p(text | steps), the sum over the paths in the beam, which is
        at least that of any single path.
    """
    log_probs = np.asarray(log_probs, dtype=np.float64)
    prefixes = Prefixes()
    state = Beam(np.zeros(1, np.int64), np.zeros(1), np.full(1, -np.inf))
    for row in log_probs:
        state = state.advance(prefixes, row, beam)
    best = int(state.total.argmax())
    codes = prefixes.spell(int(state.nodes[best]))
    path = align(log_probs, codes)
    _, confidences, _ = collapse(path, log_probs[np.arange(len(path)), path])
    return codes, confidences, float(np.exp(min(state.total[best], 0.0)))


@dataclass(slots=True)
class Prefixes:
    """Prefixes as nodes of a trie. Node 0 is the root, the empty prefix."""

    parents: list[int] = field(default_factory=lambda: [-1])
    classes: list[int] = field(default_factory=lambda: [BLANK])
    """The last class of each prefix."""
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def extend(self, node: int, class_: int) -> int:
        """Return the node of a prefix extended by a class."""
        if (child := self.known.get((node, class_))) is not None:
            return child
        self.parents.append(node)
        self.classes.append(class_)
        return self.known.setdefault((node, class_), len(self.parents) - 1)

    def spell(self, node: int) -> np.ndarray:
        """Return the codes of a prefix."""
        codes = []
        while node:
            codes.append(self.classes[node] - 1)
            node = self.parents[node]
        return np.array(codes[::-1], dtype=np.int64)


@dataclass(slots=True)
class Beam:
    """The prefixes kept at a step, and the log probabilities of their paths that end in a blank or not."""

    nodes: np.ndarray
    in_blank: np.ndarray
    in_class: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The log probability of each prefix."""
        total: np.ndarray = np.logaddexp(self.in_blank, self.in_class)
        return total

    def advance(self, prefixes: Prefixes, row: np.ndarray, beam: int) -> Beam:
        """Return the beam after one more step.

        Prefixes are extended by the `beam` + 1 most likely classes only. The result is the same: every other
        extension of a prefix is at most as likely as `beam` of these.

        Args:
            prefixes: The trie; new prefixes are added to it.
            row: float, (classes,): log probabilities.
            beam: The number of prefixes to keep.
        """
        total, last = self.total, np.array([prefixes.classes[node] for node in self.nodes])
        likeliest = 1 + highest(row[1:], beam + 1)
        # A repeated class extends a prefix only after a blank; without one, it belongs to the same character.
        extended = (
            np.where(last[:, None] == likeliest, self.in_blank[:, None], total[:, None]) + row[likeliest]
        )
        in_blank, in_class = total + row[BLANK], self.in_class + row[last]
        # If a prefix and its parent are both in the beam, the parent's extension is that prefix: merge them.
        places = {node: place for place, node in enumerate(self.nodes.tolist())}
        parents = np.array([places.get(prefixes.parents[node], -1) for node in self.nodes])
        grown = np.where(last[parents] == last, self.in_blank[parents], total[parents]) + row[last]
        in_class = np.where(parents >= 0, np.logaddexp(in_class, grown), in_class)
        merged, where = np.nonzero((parents >= 0)[:, None] & (last[:, None] == likeliest))
        extended[parents[merged], where] = -np.inf
        scores = np.concatenate((np.logaddexp(in_blank, in_class), extended.ravel()))
        kept = highest(scores, beam)
        kept = kept[scores[kept] != -np.inf]
        stays, grows = kept[kept < len(total)], kept[kept >= len(total)] - len(total)
        sources, classes = self.nodes[grows // len(likeliest)], likeliest[grows % len(likeliest)]
        born = [prefixes.extend(*pair) for pair in zip(sources.tolist(), classes.tolist(), strict=True)]
        return Beam(
            np.concatenate((self.nodes[stays], np.array(born, dtype=np.int64))),
            np.concatenate((in_blank[stays], np.full(len(born), -np.inf))),
            np.concatenate((in_class[stays], extended.ravel()[grows])),
        )


def highest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the `count` highest values, or of all if there are fewer, in no order."""
    places: np.ndarray = np.argpartition(-values, count) if count < len(values) else np.arange(len(values))
    return places[:count]


def align(log_probs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the most likely path that spells a text (Viterbi alignment): int64, (steps,).

    Args:
        log_probs: float, (steps, classes), with enough steps for the text.
        codes: int, (characters,).
    """
    # Blanks at even places, characters at odd ones.
    states = np.full(2 * len(codes) + 1, BLANK)
    states[1::2] = np.asarray(codes) + 1
    skippable = np.zeros(len(states), dtype=bool)  # the blank between different characters is optional
    skippable[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    best = np.where(np.arange(len(states)) < 2, 0.0, -np.inf)
    moves = np.zeros((len(log_probs), len(states)), dtype=np.int64)
    for step, row in enumerate(log_probs):
        if step:
            one, two = (np.concatenate((np.full(n, -np.inf), best))[: len(best)] for n in (1, 2))
            options = np.stack((best, one, np.where(skippable, two, -np.inf)))
            moves[step], best = options.argmax(0), options.max(0)
        best = best + row[states]
    place = len(states) - 1 - int(len(codes) > 0 and best[-2] > best[-1])
    path = np.empty(len(log_probs), dtype=np.int64)
    for step in reversed(range(len(log_probs))):
        path[step] = states[place]
        place -= moves[step, place]
    return path
