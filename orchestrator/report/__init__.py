"""The report: from a study's tidy table to figures, claims with verdicts, and pages. Pure: no Ray, no MLflow, no torch.

`build` makes the whole of it from `table` and `presentation`, which say what there is and how to show it.
"""
