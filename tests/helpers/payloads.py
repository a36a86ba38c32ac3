"""Configurations that would run code, each in the form of the door that it knocks at.

`{m}` is a module whose import writes a file; `{m}.run` is a function in it, which writes another.
"""

from __future__ import annotations

TARGET = "{_target_:{m}.run}"
LOGGING = "{version:1,root:{level:INFO,handlers:[h]},handlers:{h:"

OVERRIDES = [
    f"+model={TARGET}",
    "+model._target_={m}.run",
    "++model._target_={m}.run",
    "model._target_={m}.run",
    f"+dataset.extra={TARGET}",
    f"++dataset.root={TARGET}",
    f"+logger.evil={TARGET}",
    "+logger.csv._target_={m}.run",
    f"+trainer.callbacks=[{TARGET}]",
    f"trainer.devices={TARGET}",
    "trainer.devices={a:[{b:" + TARGET + "}]}",
    "trainer.devices={_call_:{m}.run}",
    "trainer.devices={_args_:[{m}.run],_partial_:true}",
    "+optimizer._convert_=all",
    "+optimizer._recursive_=true",
    f"+_target_={'{m}'}.run",
    f"+anything={TARGET}",
    f"+hydra.callbacks.x={TARGET}",
    f"++hydra.callbacks.x={TARGET}",
    f"hydra.callbacks={{x:{TARGET}}}",
    f"+hydra={{callbacks:{{x:{TARGET}}}}}",
    "+hydra/callbacks=evil",
    "+optimizer@hydra.callbacks.x=adam",
    f"hydra.job_logging={LOGGING}{{class:{{m}}.Handler}}}}}}",
    f"hydra.job_logging={LOGGING}{{class:logging.StreamHandler,stream:'ext://{{m}}.run'}}}}}}",
    f"hydra.hydra_logging={LOGGING}{{class:{{m}}.Handler}}}}}}",
    "+hydra.hydra_logging.formatters.f.class={m}.Handler",
    "hydra/job_logging=default",
    "hydra/hydra_logging=default",
    f"hydra.launcher={TARGET}",
    "hydra.launcher._target_={m}.run",
    f"+hydra.launcher.x={TARGET}",
    f"hydra.sweeper={TARGET}",
    f"+hydra.sweeper.params.x={TARGET}",
    "+hydra.sweeper.params={hydra.searchpath:'[pkg://{m}]'}",
    "hydra.searchpath=[pkg://{m}]",
    "+hydra.searchpath=[file://{d}]",
    "hydra={searchpath:[pkg://{m}]}",
    "+hydra.job.env_set.PYTHONPATH=elsewhere",
    "hydra.job.env_set={PYTHONSTARTUP:{m}}",
    "hydra.output_subdir=.hydra",
    "+hydra.help.x={_target_:{m}.run}",
    "model=../../{m}",
    "model={m}:run",
    "model.name={m}",
    "experiment={m}",
    "trainer.devices=${oc.decode:'{_target_: {m}.run}'}",
    "trainer.devices=${oc.create:{_target_:{m}.run}}",
    "exp_name=${evil:run}",
]
"""Words of a command line."""

FLAGS = [
    ["--config-path", "pkg://{m}"],
    ["--config-name", "evil"],
    ["--experimental-rerun", "{d}/evil.pickle"],
]

FILES = {
    "hydra": "hydra:\n  callbacks:\n    x: {_target_: {m}.run}\n",
    "searchpath": "hydra:\n  searchpath: ['pkg://{m}']\n",
    "logging": "hydra:\n  job_logging:\n    version: 1\n    root: {handlers: [h]}\n"
    "    handlers: {h: {'()': {m}.run}}\n",
    "launcher": "hydra:\n  launcher: {setup: [touch {d}/ran]}\n",
    "sweep": "hydra:\n  sweep: {dir: elsewhere}\n",
    "target": "model:\n  _target_: {m}.run\n",
    "in_a_list": "trainer:\n  devices: [{_target_: {m}.run}]\n",
    "anchor": "trainer:\n  max_time: &x {_target_: {m}.run}\n  devices: *x\n",
    "merged": "trainer:\n  <<: {_target_: {m}.run}\n",
    "python_tag": "exp_name: !!python/object/apply:{m}.run []\n",
    "python_name": "exp_name: !!python/name:{m}.run ''\n",
    "defaults": "defaults:\n  - override /hydra/launcher: {m}\n",
    "defaults_package": "defaults:\n  - target@_global_.hydra.callbacks.x\n",
    "defaults_above": "defaults:\n  - ../../secret\n",
    "defaults_computed": "defaults:\n  - /experiment/${oc.env:HOME}\n",
    "resolver": "exp_name: ${oc.decode:'{_target_: {m}.run}'}\n",
}
"""Files of an experiment, all with the header `# @package _global_`."""

HEADED = {"headed": "# @package hydra.callbacks.x\nroot: {_target_: {m}.run}\n"}
"""Files with a header of their own."""

SAVED = [
    ("_target_", "{m}.run"),
    ("hydra", {"callbacks": {"x": {"_target_": "{m}.run"}}}),
    ("hydra", {"searchpath": ["pkg://{m}"]}),
    ("defaults", ["/experiment/evil"]),
    ("model", {"name": "dbnet", "_target_": "{m}.run"}),
    ("model", {"name": "{m}"}),
    ("model", {"name": "../../{m}"}),
    ("model", "{m}.run"),
    ("dataset", {"name": "synthetic", "extra": [{"_target_": "{m}.run"}]}),
    ("logger", {"csv": {"name": "csv", "_target_": "{m}.run"}}),
    ("logger", {"evil": {"name": "{m}:run"}}),
    ("logger", ["{m}.run"]),
    ("exp_name", "${oc.decode:'{_target_: {m}.run}'}"),
    ("output_dir", "${evil:run}"),
]
"""A part of the configuration in a checkpoint, and what stands there instead."""
