"""The function of the stage queue `moderator`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("moderator", parts)
