"""A task is its name: one object per name, whatever becomes of it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.plugin import Task


@given(st.text())
def test_equal_names_give_the_same_object(name: str):
    task = Task(name)
    assert task.value == name
    assert task is Task(name)
    assert {task: 1}[Task(name)] == 1
    for same in (pickle.loads(pickle.dumps(task)), copy.copy(task), copy.deepcopy(task)):
        assert same is task


def test_other_names_give_other_tasks():
    assert Task.detection is Task("detection")
    assert Task.recognition is Task("recognition")
    assert len({Task.detection, Task.recognition, Task("script"), Task("script")}) == 3


def test_the_pickle_of_an_enum_member_is_read():
    """Until tasks came through a door, `Task` was an Enum, and pickled as a call with its value."""
    assert pickle.loads(b"cocr_trainer.plugin.api\nTask\n(S'detection'\ntR.") is Task.detection


def test_a_task_crosses_processes():
    code = "import pickle, sys; from ocr_trainer.plugin import Task; sys.stdout.buffer.write(pickle.dumps(Task('script')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert pickle.loads(done.stdout) is Task("script")


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        Task.detection.value = "other"
