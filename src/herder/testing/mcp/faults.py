"""Faults that a test asks for: a server that dies, hangs, answers rubbish, lacks tools, or hides its errors."""

import re
from dataclasses import dataclass, field
from pathlib import Path

JSON, TEXT, MARKED, HIDDEN = "json", "text", "marked", "hidden"
DIE, HANG, RUBBISH, SAY, LOSE_SESSION = "die", "hang", "rubbish", "say", "lose_session"


@dataclass(slots=True, kw_only=True)
class McpRule:
    """The first rule that meets a call of a tool holds for it."""

    does: str
    """One of DIE, HANG, RUBBISH, SAY, LOSE_SESSION."""
    tool: str = ""
    """A regular expression that is found in the name."""
    times: int = 1
    """At most this number of calls; -1: all."""
    acts: bool = False
    """Whether the tool has its effect first."""
    text: str = ""
    """What SAY answers, without a mark of an error."""
    once: str = ""
    """A file: the rule holds while it does not exist, and creates it. For a process that is started again."""

    def meets(self, tool: str) -> bool:
        if not self.times or re.search(self.tool, tool) is None:
            return False
        if self.once and Path(self.once).exists():
            return False
        if self.once:
            Path(self.once).touch()
        self.times -= self.times > 0
        return True


@dataclass(slots=True, kw_only=True)
class McpFaults:
    rules: list[McpRule] = field(default_factory=list)
    style: str = JSON
    """How errors of Proxmox are said: JSON with a field `error`, TEXT with a cross, MARKED as errors, HIDDEN in the log."""
    version: str = ""
    """Of the protocol, whatever the client asks for."""
    without: str = ""
    """A regular expression of tools that are missing."""
    extra_arguments: bool = True
    """Whether `set_vm_config` passes arguments on that it does not declare."""

    def rule(self, tool: str) -> McpRule | None:
        return next((each for each in self.rules if each.meets(tool)), None)
