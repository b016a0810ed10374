"""Grading a batch: learners' code runs in a box, the checks run outside and see only plain data.

Read in this order: mending (whatever was handed in becomes a notebook), box (a kernel that can do no harm), inside
and plain (how an answer is called from outside), checking (one submission), batch (all of them), marks (nbgrader's
gradebook). classroom/grade.py is the command.
"""
