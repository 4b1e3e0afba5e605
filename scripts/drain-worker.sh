#!/bin/sh
# Drains a worker, which stays, and waits until it is empty. All options are those of `herder worker drain`.
# Example: ./scripts/drain-worker.sh burst-7-1
set -eu
exec herder worker drain --yes --wait "$@"
