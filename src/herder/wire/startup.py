"""The names of the environment variables that tell a new worker its name and its server.

Drivers write them (into a child's environment, a start script, cloud-init), the agent reads them. The activation token is
a secret that works once: it travels in a variable or in a file of mode 0600, never in argv, and is never logged.
"""

SERVER = "HERDER_SERVER"
WORKER = "HERDER_WORKER"
INSTALLATION = "HERDER_INSTALLATION"
"""Tells the workers of several installations on one machine or in one account apart."""
ACTIVATION_TOKEN = "HERDER_ACTIVATION_TOKEN"
ACTIVATION_TOKEN_FILE = "HERDER_ACTIVATION_TOKEN_FILE"
JOIN_TOKEN = "HERDER_JOIN_TOKEN"
"""Instead of these two, on a machine that people add by hand: with it the agent is told which worker it is."""
SELF_DELETE_AFTER_S = "HERDER_SELF_DELETE_AFTER_S"
WORK_FOLDER = "HERDER_WORK_FOLDER"
CA_FILE = "HERDER_CA_FILE"
RUN_AS = "HERDER_RUN_AS"
"""USER or UID:GID for the attempts; the agent must be root."""
CGROUPS = "HERDER_CGROUPS"
"""off: make no cgroups."""
ONE_JOB = "HERDER_ONE_JOB"
"""on: the agent leaves when its first attempt has ended and the server knows its end."""
NOTICE_FILE = "HERDER_NOTICE_FILE"
"""A file that appears when the machine is to be taken back; with the time in it, or empty."""
NOTICE_URL = "HERDER_NOTICE_URL"
"""The metadata address of the cloud that says the same."""
NOTICE_S = "HERDER_NOTICE_S"
"""How many seconds are left when a notice does not say it."""

CONTAINER_MOUNTS = "HERDER_CONTAINER_MOUNTS"
"""Folders, separated by colons, that jobs in containers may mount; empty: none."""
CONTAINER_HOST_NETWORK = "HERDER_CONTAINER_HOST_NETWORK"
"""on: jobs in containers may use the network of the machine."""

# What every attempt finds in its environment, beside WORKER and INSTALLATION (by which leftovers are found).
JOB_ID = "HERDER_JOB_ID"
ATTEMPT = "HERDER_ATTEMPT"
SCRATCH = "HERDER_SCRATCH"
RESULT = "HERDER_RESULT"
DEADLINE_FILE = "HERDER_DEADLINE_FILE"
"""The path of a file that appears when the attempt has only so long to run."""
# What an attempt of a job with a type finds beside these, under the names that Mimir documents.
TYPED_JOB_ID = "JOB_ID"
TYPED_JOB_TYPE = "JOB_TYPE"
TYPED_PROJECT = "PROJECT_ID"
TYPED_SERVER = "ORCHESTRATOR_URL"
TYPED_TOKEN = "ACCESS_TOKEN"
"""The bearer token for calls of the attempt about itself."""
# What an attempt may set in its own environment.
CHECKPOINT_SIGNAL = "HERDER_CHECKPOINT_SIGNAL"
"""The signal that its processes get then: USR1, USR2, TERM, INT, HUP or QUIT."""
