#!/bin/sh
# Shows the conditions of a worker and its repair.
# Example: ./scripts/check-worker-health.sh burst-7-1
set -eu
exec herder worker health "$@"
