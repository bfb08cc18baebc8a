# Two stages: the first has all that makes a bundle, the second only what answers from it.
#
#   docker build -t report-qa --build-arg TORCH_INDEX=… .     (an index of PyTorch's CPU builds)
#   docker run --rm -p 8000:8000 --read-only --tmpfs /tmp report-qa
#
# service/deploy/compose.yaml puts it behind a proxy, with volumes for bundles and feedback.

FROM python:3.12-slim AS build
# Without it torch is PyPI's, with CUDA: gigabytes, though in this stage only.
ARG TORCH_INDEX=
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    make bundle TORCH_INDEX="$TORCH_INDEX" && \
    .venv/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . && \
    .venv/bin/report-qa index publish build/bundle --bundle /bundles/bundle

FROM python:3.12-slim
# What the Makefile sets, too; and no file is written while serving.
ENV HF_HUB_OFFLINE=1 ORT_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false OMP_WAIT_POLICY=PASSIVE \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    REPORT_QA_BUNDLE=/bundles/bundle REPORT_QA_FEEDBACK=
COPY lock/serve.txt /tmp/lock/
RUN pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes -r /tmp/lock/serve.txt
COPY --from=build /src/dist/ /tmp/dist/
RUN pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl
# Owned by whom it runs as, so that a volume in their place can be written: a new bundle, feedback.
COPY --from=build --chown=10001:10001 /bundles /bundles
RUN install -d -o 10001 -g 10001 /feedback
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --start-period=10s --interval=10s --timeout=3s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["report-qa", "serve", "--host", "0.0.0.0", "--port", "8000"]
