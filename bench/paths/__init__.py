"""What the engine's other paths cost: `python -m bench.paths` (make bench-paths), or one of its modules by name.

fan_out.py    a task of many items, and the join after it    waiting.py   timers and approvals, until they are due
redrive.py    dead letters by the thousand                   flood.py     one project's beside another's single tasks
bed.py, caller.py, templates.py    on what they happen, and with which templates    report.py    figures, aims
"""
