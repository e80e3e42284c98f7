# One image for every process; the command names the role (see deploy/entrypoint).
FROM python:3.11-slim AS builder
WORKDIR /build
COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
    && uv venv /opt/venv \
    && uv pip install --no-cache --compile-bytecode --python /opt/venv/bin/python --require-hashes -r requirements.lock

FROM python:3.11-slim
# No privileges, no home of its own; /srv/cadre/media is the only folder that has to last.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin cadre \
    && install -d -o cadre -g cadre /srv/cadre /srv/cadre/media
COPY --from=builder /opt/venv /opt/venv
WORKDIR /app
COPY manage.py pyproject.toml LICENSE ./
COPY deploy ./deploy
COPY core ./core
COPY experts ./experts
COPY marketplace ./marketplace
COPY tasks ./tasks
COPY payments ./payments
COPY config ./config
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CADRE_MODE=production \
    CADRE_HOME=/srv/cadre
USER cadre
# The key and the address are of this build step alone; collecting files needs no server.
RUN SECRET_KEY=collectstatic-signs-nothing BASE_URL=https://build.invalid \
    python manage.py collectstatic --no-input --verbosity 0
EXPOSE 8000
ENTRYPOINT ["/app/deploy/entrypoint"]
CMD ["web"]
