# One image for web, workers and beat; the command decides which it is.
FROM node:22-bookworm-slim AS assets
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund

FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 KEDGE_DATA=/data
WORKDIR /app
COPY requirements.lock ./
RUN pip install "$(grep '^torch==' requirements.lock)" && pip install -r requirements.lock
COPY --from=assets /app/node_modules ./node_modules
COPY manage.py pyproject.toml ./
COPY annotation ./annotation
COPY rlhf ./rlhf
COPY webapp ./webapp
COPY workers ./workers
RUN useradd --system --create-home --home-dir /home/kedge kedge \
    && mkdir /data && chown kedge /data \
    && SECRET_KEY=build KEDGE_DATA=/tmp/build STATIC_ROOT=/app/static python manage.py collectstatic --no-input --verbosity 0
ENV STATIC_ROOT=/app/static
USER kedge
VOLUME /data
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--no-ws", "webapp.wsgi:application"]
