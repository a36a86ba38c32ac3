"""What the author of a recognizer trained with CTC inherits: the loss, and how its steps are read.

Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006. At each step the
network chooses between the blank, class 0, and the characters, character k being class k + 1. A path of
one class per step is read by taking runs of a class once and the blanks out.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.data.types import Recognition
from ocr_trainer.plugin.options import CtcConfig
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.text.bidi import visual_order

BLANK = 0

Labelling = tuple[np.ndarray, np.ndarray, float]
"""Codes, int64 (characters,); their confidences, float32 (characters,), 0 to 1; that of the whole, 0 to 1."""


class CtcRecognizer(Recognizer):
    """A recognizer of one height whose `forward` gives classes at steps from left to right.

    `forward` returns "logits", float (batch, steps, 1 + characters), and "steps", int64 (batch,): how many
    steps of each image are not padding.

    Args:
        config: Sizes and the width of the beam.
        charset: The characters it tells apart.
    """

    visual = True  # steps go from left to right, and so must the codes

    def __init__(self, config: CtcConfig, charset: str) -> None:
        super().__init__()
        self.config = config
        self.charset = charset

    @abstractmethod
    def steps(self, width: int) -> int:
        """Return how many steps the network gives for an image of that width, in pixels after resizing."""

    @property
    def classes(self) -> int:
        """How many classes `forward` tells apart: the blank and the characters."""
        return 1 + len(self.charset)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the configured height, and the width in proportion, within the configured limits."""
        config = self.config
        wanted = round(width * config.height / height)
        return config.height, min(max(wanted, config.min_width), config.max_width)

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        """Tell whether the image gives a step per character, and one between two that are the same."""
        needed, given = codes + repeats, self.steps(width)
        if needed <= given:
            return None
        doubled = f" and {repeats} of them doubled" if repeats else ""
        return (
            f"the text of {codes} characters{doubled} needs {needed} steps, and the image of"
            f" {width} x {self.config.height} pixels gives {given}"
        )

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return "ctc": the mean over the texts of -log p(text | image) per character.

        Texts that no path can spell count 0.
        """
        # In float32 whatever the network ran in: sums of many paths are too much for bfloat16.
        log_probs = outputs["logits"].float().log_softmax(-1).transpose(0, 1)
        codes, lengths = targets["codes"] + 1, targets["lengths"]
        return {"ctc": F.ctc_loss(log_probs, codes, outputs["steps"], lengths, BLANK, zero_infinity=True)}

    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Read the likeliest class of each step, or search with `config.beam` prefixes if it is above 1."""
        log_probs = outputs["logits"].detach().float().log_softmax(-1)
        steps = outputs["steps"].tolist()
        if self.config.beam > 1:
            tables = log_probs.cpu().numpy()
            found = [prefix_beam(table[:n], self.config.beam) for table, n in zip(tables, steps, strict=True)]
        else:
            # Of large charsets, only what is needed leaves the device.
            best, classes = (tensor.cpu().numpy() for tensor in log_probs.max(-1))
            found = [collapse(c[:n], b[:n]) for c, b, n in zip(classes, best, steps, strict=True)]
        return [
            self._reading("".join(self.charset[code] for code in codes), confidences, score)
            for codes, confidences, score in found
        ]

    def _reading(self, seen: str, confidences: np.ndarray, score: float) -> Recognition:
        """Bring what stands from left to right into the order in which it is typed."""
        order = visual_order(seen)
        return Recognition("".join(seen[place] for place in order), confidences[order], score)


def greedy(log_probs: np.ndarray) -> Labelling:
    """Read the likeliest path of log probabilities, float (steps, classes); see `collapse`."""
    return collapse(log_probs.argmax(1), log_probs.max(1))


def collapse(path: np.ndarray, log_probs: np.ndarray) -> Labelling:
    """Read a path.

    Args:
        path: int, (steps,): a class per step.
        log_probs: float, (steps,): the logarithm of the probability of that class.

    Returns:
        The codes; as the confidence of each the highest probability among the steps it stands for, which are
        usually one sharp one and weak neighbors; and the probability of the path, blanks included.
    """
    path, probs = np.asarray(path), np.exp(np.minimum(log_probs, 0))
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    peaks = np.maximum.reduceat(probs, starts) if len(starts) else probs
    kept = path[starts] != BLANK
    confidences = peaks[kept].astype(np.float32)
    return path[starts][kept] - 1, confidences, float(np.exp(min(np.sum(log_probs, dtype=np.float64), 0.0)))


def prefix_beam(log_probs: np.ndarray, beam: int) -> Labelling:
    """Search for the likeliest text, where `greedy` takes the likeliest path: a text has many paths.

    Prefix search without a language model: Graves, "Supervised Sequence Labelling with Recurrent Neural
    Networks", 2012, 7.5.3; Hannun, Maas, Jurafsky, Ng, arXiv 1408.2873. Exact if no prefix falls out.

    Args:
        log_probs: float, (steps, classes).
        beam: How many prefixes are kept at each step.

    Returns:
        The codes; the confidences of `collapse` on the likeliest path that spells them, so that they are
        those of `greedy` where both read the same; and p(text | steps), the sum over the paths that were
        kept, which is no less than that of one path.
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
    """Prefixes as nodes of a tree, whose root, node 0, is the empty one; each stands there once."""

    parents: list[int] = field(default_factory=lambda: [-1])
    classes: list[int] = field(default_factory=lambda: [BLANK])
    """The last class of each."""
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def extend(self, node: int, class_: int) -> int:
        """Return the node of a prefix with one class more."""
        if (found := self.known.get((node, class_))) is not None:
            return found
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
    """The prefixes kept at a step, and the log probability of their paths that end in a blank or do not."""

    nodes: np.ndarray
    in_blank: np.ndarray
    in_class: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The log probability of each prefix."""
        total: np.ndarray = np.logaddexp(self.in_blank, self.in_class)
        return total

    def advance(self, prefixes: Prefixes, row: np.ndarray, beam: int) -> Beam:
        """Take a step, of which `row` holds the log probabilities of the classes.

        Prefixes are extended by the `beam` + 1 likeliest classes only, however many there are. Nothing is
        lost: whatever else a prefix could become is no likelier than `beam` others that it becomes.
        """
        total, last = self.total, np.array([prefixes.classes[node] for node in self.nodes])
        likeliest = 1 + highest(row[1:], beam + 1)
        # A class that repeats the last one extends a prefix only across a blank; without, the prefix stays.
        extended = (
            np.where(last[:, None] == likeliest, self.in_blank[:, None], total[:, None]) + row[likeliest]
        )
        in_blank, in_class = total + row[BLANK], self.in_class + row[last]
        # A prefix whose parent is kept is what the parent becomes with that class: they are one.
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
    """Return the places of the `count` highest values, or of all if there are fewer, in no order."""
    places: np.ndarray = np.argpartition(-values, count) if count < len(values) else np.arange(len(values))
    return places[:count]


def align(log_probs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the likeliest path that spells a text, int64 (steps,).

    Args:
        log_probs: float, (steps, classes); steps enough for the text.
        codes: int, (characters,).
    """
    states = np.full(2 * len(codes) + 1, BLANK)
    states[1::2] = np.asarray(codes) + 1
    leaps = np.zeros(len(states), dtype=bool)  # where the blank between two characters may be left out
    leaps[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    best = np.where(np.arange(len(states)) < 2, 0.0, -np.inf)
    came = np.zeros((len(log_probs), len(states)), dtype=np.int64)
    for step, row in enumerate(log_probs):
        if step:
            one, two = (np.concatenate((np.full(n, -np.inf), best))[: len(best)] for n in (1, 2))
            ways = np.stack((best, one, np.where(leaps, two, -np.inf)))
            came[step], best = ways.argmax(0), ways.max(0)
        best = best + row[states]
    place = len(states) - 1 - int(len(codes) > 0 and best[-2] > best[-1])
    path = np.empty(len(log_probs), dtype=np.int64)
    for step in reversed(range(len(log_probs))):
        path[step] = states[place]
        place -= came[step, place]
    return path
