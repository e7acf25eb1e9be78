"""The function of the stage queue `agent`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("agent", parts)
