#!/bin/sh
# A call over the native API, and what would have served it.
#
# CORTEX_URL=http://127.0.0.1:8000 CORTEX_KEY=ck_… sh examples/curl.sh
set -eu

curl --fail-with-body --silent --show-error "$CORTEX_URL/api/v1/dispatch" \
    -H "X-Cortex-Key: $CORTEX_KEY" -H "Content-Type: application/json" \
    -d '{"task_type": "code_generation", "prompt": "A function that reverses a string."}'
echo
curl --fail-with-body --silent --show-error "$CORTEX_URL/api/v1/route/explain" \
    -H "X-Cortex-Key: $CORTEX_KEY" -H "Content-Type: application/json" \
    -d '{"task_type": "code_generation", "prompt": "A function that reverses a string."}'
echo
