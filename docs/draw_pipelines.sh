#!/usr/bin/env bash
# Draws docs/pipelines.png again: builds the kedro-viz site and photographs it in Chromium.
# Run it from the project folder after `make viz` has installed kedro-viz: docs/draw_pipelines.sh
set -euo pipefail
python=${PYTHON:-.venv/bin/python}
chromium=${CHROMIUM:-chromium}
port=${PORT:-8437}
size=${SIZE:-760,900}

site=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$site"' EXIT

DO_NOT_TRACK=1 "$python" -m kedro viz build
cp -r build/. "$site"
# the graph alone, in daylight: no panels, no hints, no version; the room that kedro-viz keeps for
# its panels is pushed out of the picture
cat >> "$site/index.html" <<'HTML'
<style>
  .pipeline-sidebar, .pipeline-global-toolbar, .pipeline-primary-toolbar, .pipeline-minimap,
  .feature-hints, .feature-hints__highlight, .update-reminder-version-tag, .pipeline-toolbar,
  .pipeline-metadata, .pipeline-metadata-code {
    display: none !important;
  }
  #root { margin-left: -480px; width: calc(100% + 480px); }
</style>
<script>localStorage.setItem("KedroViz", JSON.stringify({theme: "light"}));</script>
HTML
"$python" -m http.server --bind 127.0.0.1 --directory "$site" "$port" 2>/dev/null &
server=$!
sleep 1
"$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
    --user-data-dir="$site/browser" --window-size="$size" --force-device-scale-factor=2 \
    --virtual-time-budget=15000 \
    --screenshot="$PWD/docs/pipelines.png" "http://127.0.0.1:$port/"
