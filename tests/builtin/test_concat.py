"""Dataset plugin `concat`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.builtin.concat import Mixed
from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import ConfigError, PluginNotFound
from ocr_trainer.plugin import Context, Kind, Task, discovery
from ocr_trainer.testing import DatasetSuite

PARTS = [
    "dataset=concat",
    "+dataset.parts.small.dataset={name: synthetic, height: 128, width: 128, train_pages: 4, val_pages: 3}",
    "+dataset.parts.small.weight=0.5",
    "+dataset.parts.large.dataset={name: synthetic, height: 192, width: 128, train_pages: 2, val_pages: 5}",
    "+dataset.parts.large.weight=2",
    "+dataset.parts.large.val=1",
    "+dataset.parts.large.test=0",
]


class TestContract(DatasetSuite):
    name = "concat"
    overrides = PARTS[1:]


def build(*overrides: str):
    run = compose([*PARTS, *overrides])
    return discovery.resolve(Kind.dataset, "concat")(run.dataset, Context(task=Task.detection))


def test_each_part_contributes_its_share_and_its_own_split_sizes():
    dataset = build()
    heights = Counter(dataset.train[index].image.shape[0] for index in range(len(dataset.train)))
    assert heights == {128: 2, 192: 4}
    assert [sample.image.shape[0] for sample in dataset.val] == [128] * 3 + [192]
    assert {sample.image.shape[0] for sample in dataset.test} == {128}


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0.3, 0.5, 1.0, 1.7, 3.0])), min_size=1, max_size=4)
)
def test_over_many_epochs_all_samples_of_a_part_are_used_equally_often(parts: list[tuple[int, float]]):
    splits = [[(part, n) for n in range(length)] for part, (length, _) in enumerate(parts)]
    shares = [max(1, round(weight * length)) for length, weight in parts]
    mixed = Mixed([(s, len(s), share) for s, share in zip(splits, shares, strict=True)], endless=True)
    epochs = 60
    seen = Counter(mixed[index] for index in range(epochs * len(mixed)))
    for split, share in zip(splits, shares, strict=True):
        counts = [seen[sample] for sample in split]
        assert sum(counts) == epochs * share
        assert max(counts) - min(counts) <= 1


def test_indices_beyond_a_split_that_is_not_endless_are_refused():
    mixed = Mixed([([1, 2, 3], 2, 2)], endless=False)
    assert list(mixed) == [1, 2]
    with pytest.raises(IndexError):
        mixed[2]


def test_a_saved_configuration_gives_the_same_dataset():
    run = compose(PARTS)
    again = compose([], plain(run))
    assert again.dataset == run.dataset
    assert again.dataset.parts["small"].dataset.height == 128


def test_a_part_may_be_given_by_name_only():
    run = compose(["dataset=concat", "+dataset.parts.a.dataset=synthetic"])
    assert run.dataset.parts["a"].dataset.train_pages == 800


def faults(*overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        compose(["dataset=concat", *overrides])
    return str(refused.value).splitlines()[1:]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.size=736", "  - dataset.parts is empty: name at least one: +dataset.parts.NAME.dataset=…"),
        ("+dataset.parts.a=5", "  - dataset.parts.a must be a section of options, not 5"),
        ("+dataset.parts.a.weight=1", "  - dataset.parts.a.dataset must be given: +dataset.parts.a.dataset=…"),
        ("+dataset.parts.a.dataset={height: 99}", "  - dataset.parts.a.dataset.name must be given: the name of a dataset plugin"),
        ("+dataset.parts.a={dataset: synthetic, wieght: 2}", "  - there is no option 'dataset.parts.a.wieght'. Did you mean 'dataset.parts.a.weight'?"),
        ("+dataset.parts.a.dataset={name: synthetic, heigth: 99}", "  - there is no option 'dataset.parts.a.dataset.heigth'. Did you mean 'dataset.parts.a.dataset.height'?"),
        ("+dataset.parts.a={dataset: {name: synthetic, height: 9}, weight: 0}", "  - dataset.parts.a.dataset.height must be at least 64 and at most 8192, not 9"),
        ("+dataset.parts.a.dataset={name: concat}", "  - dataset.parts.a.dataset.parts is empty: name at least one: +dataset.parts.a.dataset.parts.NAME.dataset=…"),
    ],
)  # fmt: skip
def test_errors_in_a_part_name_its_key(override: str, message: str):
    assert faults(override)[0] == message


def test_a_part_that_is_not_installed_is_refused():
    with pytest.raises(PluginNotFound, match=r"named 'synthetik' is installed\. Did you mean 'synthetic'"):
        compose(["dataset=concat", "+dataset.parts.a.dataset=synthetik"])


def test_files_exist_if_all_parts_have_files(tmp_path: Path):
    class Filed(list):
        files = [tmp_path / "a", tmp_path / "b"]  # noqa: RUF012

    known = Mixed([(Filed("ab"), 2, 3)], endless=True)
    assert [path.name for path in known.files] == ["a", "b", "a"]
    assert Mixed([(Filed("ab"), 2, 3), (["c"], 1, 1)], endless=True).files is None


def test_files_continue_beyond_an_epoch():
    class Filed(list):
        files = [Path("a"), Path("b"), Path("c")]  # noqa: RUF012

    inner = Mixed([(Filed("abc"), 3, 3)], endless=True)
    outer = Mixed([(inner, 3, 2)], endless=True)
    assert [outer.files[index].name for index in range(6)] == [outer[index] for index in range(6)]
    assert [path.name for path in outer.files[::1]] == ["a", "b"]


def test_text_datasets_give_characters_texts_and_names(tmp_path: Path):
    from ocr_trainer.data.images import write_image
    from ocr_trainer.plugin import Context, Task
    from ocr_trainer.testing.recognizers import picture

    for name, texts in {"a": ["1", "22"], "b": ["é3", "4", "5"]}.items():
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            for number, text in enumerate(texts):
                write_image(tmp_path / name / f"{split}{number}.png", picture(text))
            rows = "".join(f"{split}{number}.png\t{text}\n" for number, text in enumerate(texts))
            (tmp_path / name / f"{split}.txt").write_text(rows, encoding="utf-8")
    parts = [f"+dataset.parts.{n}.dataset={{name: words, root: {tmp_path / n}, val_share: 0}}" for n in "ab"]
    run = compose(["model=crnn", "dataset=concat", *parts, "+dataset.parts.b.weight=2"])
    dataset = discovery.resolve(Kind.dataset, "concat")(run.dataset, Context(task=Task.recognition))
    assert dataset.characters == "12345é"
    assert dataset.train.texts is None  # epochs differ, as parts are weighted
    assert list(dataset.test.texts) == [sample.text for sample in dataset.test] == ["1", "22", "é3", "4", "5"]
    assert dataset.train.name_of(1).endswith("train1.png")
