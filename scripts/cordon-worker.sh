#!/bin/sh
# Cordons a worker: it gets no new work. All options are those of `herder worker cordon`.
# Example: ./scripts/cordon-worker.sh burst-7-1
set -eu
exec herder worker cordon "$@"
