"""Any file to any command ends in exit 0, 1 or 2, never in a traceback, and no wrong number is taken.

`python -m fuzz 3000` from the folder tests runs so many mutations over all kinds of file; `test_fuzz` a fast slice.
"""
