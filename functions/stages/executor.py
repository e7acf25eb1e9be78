"""The function of the stage queue `executor`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("executor", parts)
