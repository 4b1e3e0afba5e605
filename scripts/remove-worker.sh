#!/bin/sh
# Drains a worker and removes it; with --force at once. All options are those of `herder worker remove`.
# Example: ./scripts/remove-worker.sh burst-7-1
set -eu
exec herder worker remove --yes "$@"
