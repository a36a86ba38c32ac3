"""Decoding of CTC: greedy decoding and prefix beam search.

Graves, Fernández, Gomez, Schmidhuber, "Connectionist Temporal Classification", ICML 2006. At each step the
network predicts the blank, class 0, or a character: character k is class k + 1. A path has one class per
step. It spells a text: merge runs of the same class, then drop the blanks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ocr_trainer_runtime.text.bidi import logical_order
from ocr_trainer_runtime.types import Recognition

BLANK = 0

Labeling = tuple[np.ndarray, np.ndarray, float]
"""Codes, int64, (characters,); confidences, float32, (characters,), 0 to 1; the text's score, 0 to 1."""


def read_paths(
    classes: np.ndarray, log_probs: np.ndarray, steps: Sequence[int], charset: str
) -> list[Recognition]:
    """Return the texts of the most likely paths.

    Args:
        classes: int, (batch, steps): the most likely class of each step.
        log_probs: float, (batch, steps): the log probability of that class.
        steps: The number of steps of each image that are not padding.
        charset: The characters.
    """
    rows = zip(classes, log_probs, steps, strict=True)
    return [_logical(collapse(row[:count], best[:count]), charset) for row, best, count in rows]


def read_beams(log_probs: np.ndarray, steps: Sequence[int], charset: str, beam: int) -> list[Recognition]:
    """Return the texts that prefix beam search finds.

    Args:
        log_probs: float, (batch, steps, classes).
        steps: The number of steps of each image that are not padding.
        charset: The characters.
        beam: The number of prefixes to keep at each step.
    """
    rows = zip(log_probs, steps, strict=True)
    return [_logical(prefix_beam(table[:count], beam), charset) for table, count in rows]


def _logical(labeling: Labeling, charset: str) -> Recognition:
    """Return a text in logical order, as typed, from visual order, left to right."""
    codes, confidences, score = labeling
    visual = "".join(charset[code] for code in codes)
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
