"""What one service of a machine wrote to its console: the start script, or the agent. Pure; used by reads, written by `remote/clouds/start_script.py`.

Consoles put their own words before a line, such as a time and the name of a program, so that a line is known by what it contains.
"""

import re

START_SCRIPT, AGENT, CONSOLE = "start-script", "agent", "console"
SERVICES = (AGENT, START_SCRIPT, CONSOLE)
BEGINS = "herder: "
"""Begins each line of the start script."""
STARTS, ENDS = "the agent starts", "the agent has ended"
#: As the agent writes its own lines.
_OF_AGENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


def part(console: str, service: str) -> str:
    """Of one in SERVICES; empty: it has written nothing. The agent's is that of the last boot."""
    lines = console.splitlines()
    if service == CONSOLE:
        return console
    if service == START_SCRIPT:
        return "\n".join(line for line in lines if BEGINS in line)
    starts = [number for number, line in enumerate(lines) if BEGINS + STARTS in line]
    if starts:
        lines = lines[starts[-1] + 1 :]
    else:
        lines = lines[next((n for n, line in enumerate(lines) if _OF_AGENT.search(line)), len(lines)) :]
    end = next((number for number, line in enumerate(lines) if BEGINS + ENDS in line), len(lines))
    return "\n".join(lines[:end])
