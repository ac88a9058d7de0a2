# The project with torch for CPU, of another build by --build-arg UV_TORCH_BACKEND=cu128, say.
# How it is used: docs/deploying.md.
FROM python:3.11-slim-bookworm AS build
ARG UV_TORCH_BACKEND=cpu
ENV VIRTUAL_ENV=/opt/venv UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /srv/gru4rec

# what changes seldom comes first, and is not made again when the project changes
COPY constraints.txt pyproject.toml ./
RUN pip install --no-cache-dir --constraint constraints.txt uv \
 && python -m venv --without-pip /opt/venv \
 && uv pip install --constraint constraints.txt -r pyproject.toml \
    --extra postgres --extra s3 --extra serve --extra tuning
COPY README.md LICENSE ./
COPY src src
RUN uv pip install --build-constraint constraints.txt --no-deps --editable .

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH DO_NOT_TRACK=1 KEDRO_DISABLE_TELEMETRY=1 PYTHONUNBUFFERED=1
WORKDIR /srv/gru4rec
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/gru4rec ./
COPY conf conf
COPY data data
# only the outputs belong to the user; loops are compiled once into the cache
RUN useradd --uid 1000 --create-home gru4rec \
 && install -d -o gru4rec -g gru4rec /home/gru4rec/.cache \
 && chown -R gru4rec:gru4rec data
USER 1000:1000
VOLUME ["/srv/gru4rec/data", "/home/gru4rec/.cache"]
CMD ["kedro", "run"]
