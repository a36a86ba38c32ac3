"""Runs one model with PaddleX for `paddlex_process`, in an interpreter without ocr-trainer."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from io import BytesIO
from typing import IO, Any

import numpy as np


def send(pipe: IO[bytes], **arrays: Any) -> None:
    """Write arrays by name, as `paddlex_process.send` does."""
    content = BytesIO()
    np.savez(content, **arrays)
    pipe.write(content.tell().to_bytes(8, "little") + content.getvalue())
    pipe.flush()


def answer(model: Any, given: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the output of the network for `x`; for images, what PaddleX makes of them."""
    if "x" in given:
        return {"y": model.runner([given["x"]])[0]}
    images = [given[f"image{place}"] for place in range(len(given))]
    if model.model_name.endswith("_rec"):
        return {"texts": [found["rec_text"] for found in model.predict(images, batch_size=len(images))]}
    # What the gate passes has the model's size already.
    (found,) = model.predict(images, batch_size=1, limit_side_len=32, limit_type="min", max_side_limit=20_000)
    return {"boxes": np.asarray(found["dt_polys"]).reshape(-1, 4, 2), "scores": found["dt_scores"]}


def main(name: str, folder: str) -> None:
    """Answer requests until the other side closes the pipe."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # PaddleX prints
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    import paddlex

    model = paddlex.create_model(model_name=name, model_dir=folder, engine="onnxruntime", device="cpu")
    send(pipe, version=np.array(metadata.version("paddlex")))
    while head := sys.stdin.buffer.read(8):
        content = sys.stdin.buffer.read(int.from_bytes(head, "little"))
        send(pipe, **answer(model, dict(np.load(BytesIO(content), allow_pickle=False))))


if __name__ == "__main__":
    main(*sys.argv[1:])
