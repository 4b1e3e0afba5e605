#!/bin/sh
# Lists all pools, or shows the pool that is named.
# Example: ./scripts/check-pool-status.sh burst
set -eu
case ${1-} in
    '' | -*) exec herder pool list "$@" ;;
    *) exec herder pool get "$@" ;;
esac
