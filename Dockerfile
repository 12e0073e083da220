# syntax=docker/dockerfile:1
# Rules and student:          docker build -t cascade-gateway .
# With the local large tier:  docker build -t cascade-gateway --build-arg EXTRAS=[large] .
#   (torch from a CPU index:  --build-arg PIP_EXTRA_INDEX_URL=...)
# Base weights are not part of the image. Fetch them once into a volume, then serve:
#   docker run --rm -v cascade-cache:/var/cache/cascade cascade-gateway cascade models fetch
#   docker run -p 8000:8000 -v cascade-cache:/var/cache/cascade cascade-gateway
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
ARG EXTRAS=""
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/cascade
# Dependencies change less often than code: installed first, they stay in a layer of their own.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir -p gateway training rules models \
 && echo '__version__ = "0"' > gateway/__init__.py && touch training/__init__.py rules/.keep models/.keep \
 && /opt/cascade/bin/pip install --constraint constraints.txt ".${EXTRAS}" \
 && /opt/cascade/bin/pip uninstall --yes cascade-gateway \
 && rm -r gateway training rules models
COPY gateway gateway
COPY training training
COPY rules rules
COPY models models
RUN /opt/cascade/bin/pip install --no-deps . \
 && /opt/cascade/bin/cascade init /opt/cascade-home

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --uid 10001 --create-home cascade \
 && install -d -o cascade -g cascade /var/cache/cascade /var/lib/cascade
COPY --from=build /opt/cascade /opt/cascade
COPY --from=build --chown=cascade:cascade /opt/cascade-home /srv/cascade
ENV PATH=/opt/cascade/bin:$PATH \
    CASCADE_HOME=/srv/cascade \
    CASCADE_CACHE=/var/cache/cascade \
    PYTHONUNBUFFERED=1
WORKDIR /srv/cascade
USER cascade
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["cascade", "serve", "--host", "0.0.0.0"]
