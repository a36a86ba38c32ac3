# Training: the core and the plugins of this repository. Build it from the root of the repository:
#   docker build -t ocr-train .
# On a machine without a GPU, --build-arg PIP_EXTRA_INDEX_URL=URL with PyTorch's index of CPU builds saves gigabytes.
# Runs go to the current folder; the DataLoader needs shared memory, and a run needs time to save when it is stopped:
#   docker run --rm --gpus all --shm-size 8g --stop-timeout 120 --user "$(id -u):$(id -g)" -v "$PWD:/data" ocr-train \
#       experiment=receipts dataset.root=/data/receipts
ARG BASE=python:3.11.14-slim-trixie

FROM ${BASE} AS build
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY configs configs
COPY ocr_trainer ocr_trainer
COPY plugins plugins
# Without timm, which needs the torchvision of torch's own build.
RUN rm -r plugins/ocr-trainer-timm \
    && python3 -m venv /opt/ocr \
    && /opt/ocr/bin/pip install --no-cache-dir -c constraints.txt ".[pdf,safetensors]" plugins/*

FROM ${BASE}
COPY --from=build /opt/ocr /opt/ocr
# wandb, the hub and torch keep caches in the home, which any user can write to: --user is for your own files.
ENV PATH=/opt/ocr/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["ocr-train"]
CMD ["--help"]
